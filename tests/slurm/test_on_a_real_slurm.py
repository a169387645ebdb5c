"""Sweeps and sbatch scripts on a SLURM that these tests start. Slow: `make test-slurm`."""

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import ROOT, checked, settings, short_run
from fixtures.slurm_cluster import Cluster, missing, slurm, wait_until
from love_thy_neighbors.runs.identity import run_name

pytestmark = [pytest.mark.slow, pytest.mark.skipif(missing() is not None, reason=str(missing()))]
LONG = "epochs=1200"  # long enough for something to happen meanwhile


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with slurm(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture
def cluster(running: Cluster) -> Iterator[Cluster]:
    """The SLURM, without jobs of other tests."""
    yield running
    running.clear()


@pytest.fixture(scope="module")
def undisturbed(made_up: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The figures of the long run without SLURM."""
    return figures(short_run(made_up, tmp_path_factory.mktemp("undisturbed"), LONG))


def figures(run: Path) -> dict[str, object]:
    results = json.loads((run / "results.json").read_text())
    return {key: results[key] for key in ("val", "test", "best_epoch", "confidence")}


def job(collection: Path, place: Path, *overrides: str) -> list[str]:
    small = ("model=neighborhood", "h=8", "baseline=null", "trainer.enable_progress_bar=false")
    return [f"data={collection}", *small, f"logs={place}/logs", f"cache={place}/cache", *overrides]


def sweep(collection: Path, place: Path, *overrides: str) -> list[str]:
    """The arguments of a sweep on the SLURM."""
    little = ("gpus_per_node=0", "cpus_per_task=1", "mem_gb=1")
    return ["-m", *job(collection, place, "cluster=slurm", *(f"hydra.launcher.{one}" for one in little)), *overrides]


class Sweep:
    """A running ``train.py -m``."""

    def __init__(self, cluster: Cluster, place: Path, arguments: list[str]) -> None:
        self.cluster, self.place = cluster, place
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "train.py"), *arguments],
            cwd=place,
            env=cluster.environment | {"COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell may have it ignored
        )

    def wait_for_checkpoint(self) -> Path:
        """The folder of a run that has trained an epoch."""
        wait_until(lambda: list(self.place.glob("logs/*/last.ckpt")) or self.process.poll() is not None)
        return next(self.place.glob("logs/*/last.ckpt")).parent

    def job(self) -> str:
        """The number of its job in SLURM."""
        wait_until(lambda: list(self.place.glob("logs/slurm/submitted-*.json")) or self.process.poll() is not None)
        (path,) = self.place.glob("logs/slurm/submitted-*.json")
        return str(json.loads(path.read_text())["array"])

    def end(self, status: int = 0) -> str:
        """Its output, after it has ended with this status."""
        output, errors = self.process.communicate(timeout=300)
        assert self.process.returncode == status, output + errors + self.logs()
        assert "Traceback" not in output + errors
        return output + errors

    def logs(self) -> str:
        """What its jobs have written."""
        return "".join(path.read_text() for path in sorted(self.place.glob("logs/slurm/*/*_log.*")))


def test_a_preempted_job_with_grace_time_is_queued_again_and_goes_on(
    made_up: Path, tmp_path: Path, cluster: Cluster, undisturbed: dict[str, object]
) -> None:
    running = Sweep(cluster, tmp_path, sweep(made_up, tmp_path, LONG, "hydra.launcher.partition=grace"))
    run = running.wait_for_checkpoint()
    cluster.ask("sbatch", "--partition=urgent", "-N2", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 3")
    assert "1 job: 1 done" in running.end()
    assert cluster.show(running.job())["Restarts"] == "1"
    assert figures(run) == undisturbed


@pytest.mark.parametrize("name", ["USR1", "USR2"])
def test_a_job_near_its_time_limit_is_queued_again_and_goes_on(
    made_up: Path, tmp_path: Path, cluster: Cluster, undisturbed: dict[str, object], name: str
) -> None:
    running = Sweep(cluster, tmp_path, sweep(made_up, tmp_path, LONG))
    run = running.wait_for_checkpoint()
    cluster.ask("scancel", f"--signal={name}", running.job())
    assert "1 job: 1 done" in running.end()
    assert cluster.show(running.job())["Restarts"] == "1"
    assert figures(run) == undisturbed
    assert not list(run.glob("hpc_ckpt*"))


def test_time_limits_are_counted(made_up: Path, tmp_path: Path, cluster: Cluster) -> None:
    running = Sweep(cluster, tmp_path, sweep(made_up, tmp_path, LONG, "hydra.launcher.max_num_timeout=0"))
    running.wait_for_checkpoint()
    cluster.ask("scancel", "--signal=USR2", running.job())
    running.end()
    assert "max_num_timeout" in running.logs()
    assert cluster.show(running.job())["Restarts"] == "0"


def test_cancelled_jobs_are_listed_with_their_state_and_log(made_up: Path, tmp_path: Path, cluster: Cluster) -> None:
    more = ("split=0,1,2", "epochs=3000", "hydra.launcher.array_parallelism=1")
    running = Sweep(cluster, tmp_path, sweep(made_up, tmp_path, *more))
    running.wait_for_checkpoint()
    number = running.job()
    cluster.ask("scancel", f"{number}_2")  # pending
    cluster.ask("scancel", f"{number}_0")  # running
    wait_until(lambda: cluster.states(number).get(f"{number}_1") == "RUNNING")
    cluster.ask("scancel", number)
    told = running.end(status=1)
    assert "3 jobs: 0 done, 0 found finished, 3 failed." in told
    for element, states in enumerate(["CANCELLED", "CANCELLED", "CANCELLED|no longer known"]):
        # without accounting, SLURM may forget at once an element that never ran
        assert re.search(f"SLURM job {number}_{element} is ({states})", told)
    logs = re.findall(r"see (\S+)\.$", told, re.MULTILINE)
    assert len(logs) in (1, 2)
    assert all(Path(log).is_file() for log in logs)


def test_a_suspended_job_is_waited_for(made_up: Path, tmp_path: Path, cluster: Cluster) -> None:
    running = Sweep(cluster, tmp_path, sweep(made_up, tmp_path, LONG))
    running.wait_for_checkpoint()
    cluster.ask("scontrol", "suspend", running.job())
    with pytest.raises(subprocess.TimeoutExpired):
        running.process.wait(timeout=70)  # longer than the patience with a job that has ended
    cluster.ask("scontrol", "resume", running.job())
    assert "1 job: 1 done" in running.end()


def test_the_same_command_after_ctrl_c_waits_for_the_same_jobs(made_up: Path, tmp_path: Path, cluster: Cluster) -> None:
    arguments = sweep(made_up, tmp_path, LONG, "split=0,1")
    running = Sweep(cluster, tmp_path, arguments)
    running.wait_for_checkpoint()
    number = running.job()
    running.process.send_signal(signal.SIGINT)
    assert f"scancel {number}" in running.end(status=1)
    before = set(cluster.jobs())
    assert before == {f"{number}_0", f"{number}_1"}
    again = Sweep(cluster, tmp_path, [*arguments[:-1], "split=0,1,2"])
    wait_until(lambda: len(cluster.states("")) > 2 or again.process.poll() is not None)
    told = again.end()
    assert f"2 of the jobs, in SLURM job {number}" in told
    assert "3 jobs: 3 done, 0 found finished, 0 failed." in told


def test_overwrite_trains_again_once_also_if_the_job_is_queued_again(
    made_up: Path, tmp_path: Path, cluster: Cluster, undisturbed: dict[str, object]
) -> None:
    old = short_run(made_up, tmp_path, LONG)
    results = json.loads((old / "results.json").read_text())
    (old / "results.json").write_text(json.dumps(results | {"test": {**results["test"], "mAP_L": 0.0}}))
    run = tmp_path / "logs" / run_name(checked(settings(*job(made_up, tmp_path, LONG))))
    run.parent.mkdir()
    old.rename(run)
    running = Sweep(cluster, tmp_path, sweep(made_up, tmp_path, LONG, "overwrite=true"))
    wait_until(lambda: not (run / "results.json").exists() and (run / "last.ckpt").is_file())
    cluster.ask("scontrol", "requeue", running.job())
    assert "1 job: 1 done" in running.end()
    assert figures(run) == undisturbed


def test_a_failed_run_fails_its_job_and_a_failed_setup_stops_it(
    made_up: Path, tmp_path: Path, cluster: Cluster
) -> None:
    running = Sweep(cluster, tmp_path, sweep(made_up, tmp_path, "epochs=1", "lr=1e30", "l2=1e30", "split=0,1"))
    assert "2 jobs: 0 done, 0 found finished, 2 failed." in running.end(status=1)
    wait_until(lambda: set(cluster.states(running.job()).values()) == {"FAILED"}, 60)
    place = tmp_path / "setup"
    place.mkdir()
    lines = "hydra.launcher.setup=[cd .,ls /nowhere,cd .]"
    failing = Sweep(cluster, place, sweep(made_up, place, "epochs=1", lines, "+hydra.launcher.nice=100"))
    told = failing.end(status=1)
    assert f"SLURM job {failing.job()} is FAILED" in told
    (log,) = re.findall(r"see (\S+)\.$", told, re.MULTILINE)
    assert "setup: ls /nowhere: failed" in Path(log).read_text()
    assert not list(place.glob("logs/*/config.yaml"))


def script(cluster: Cluster, place: Path, options: list[str], text: str) -> tuple[str, Path]:
    """Submit a script; returns its number and the file with its output."""
    output = place / "output.txt"
    path = place / "job.sh"
    path.write_text(f"#!/bin/bash\n{text}\n")
    told = cluster.ask("sbatch", "--parsable", "--mem=1G", "-o", str(output), "-e", str(output), *options, str(path))
    return told.strip(), output


def ended(cluster: Cluster, number: str) -> str:
    wait_until(lambda: cluster.show(number)["JobState"] in ("COMPLETED", "FAILED", "CANCELLED"), 240)
    return cluster.show(number)["JobState"]


def test_an_sbatch_script_is_queued_again_on_usr1_as_lightnings_documentation_recommends_it(
    made_up: Path, tmp_path: Path, cluster: Cluster, undisturbed: dict[str, object]
) -> None:
    command = shlex.join([sys.executable, str(ROOT / "train.py"), *job(made_up, tmp_path, LONG)])
    number, output = script(cluster, tmp_path, ["--signal=SIGUSR1@10", "--requeue"], f"srun {command}")
    wait_until(lambda: list(tmp_path.glob("logs/*/last.ckpt")))
    cluster.ask("scancel", "--signal=USR1", number)
    wait_until(lambda: cluster.show(number)["Restarts"] == "1")
    assert ended(cluster, number) == "COMPLETED", output.read_text()
    (run,) = (path.parent for path in tmp_path.glob("logs/*/results.json"))
    assert figures(run) == undisturbed
    assert not list(run.glob("hpc_ckpt*"))


def test_two_runs_in_one_allocation_are_both_whole(made_up: Path, tmp_path: Path, cluster: Cluster) -> None:
    command = shlex.join([sys.executable, str(ROOT / "train.py"), *job(made_up, tmp_path, "epochs=2")])
    number, output = script(cluster, tmp_path, ["--ntasks=2"], f"srun bash -c '{command} split=$SLURM_PROCID'")
    assert ended(cluster, number) == "COMPLETED", output.read_text()
    runs = [path.parent for path in tmp_path.glob("logs/*/results.json")]
    assert len(runs) == 2
    for run in runs:
        for name in ("config.yaml", ".lock", "hydra/overrides.yaml", "metrics.csv", "scores.npy"):
            assert (run / name).is_file(), (run, name)
    assert output.read_text().count("Written to ") == 2


def test_one_run_over_two_nodes(made_up: Path, tmp_path: Path, cluster: Cluster) -> None:
    more = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=1", "trainer.num_nodes=2", "epochs=2")
    command = shlex.join([sys.executable, str(ROOT / "train.py"), *job(made_up, tmp_path, *more)])
    text = f"export MASTER_ADDR=127.0.0.1\nsrun {command}"
    number, output = script(cluster, tmp_path, ["--ntasks=2", "--nodes=2"], text)
    assert ended(cluster, number) == "FAILED"
    assert "--ntasks-per-node" in output.read_text()
    assert "Traceback" not in output.read_text()
    output.unlink()
    number, output = script(cluster, tmp_path, ["--ntasks-per-node=1", "--nodes=2"], text)
    assert ended(cluster, number) == "COMPLETED", output.read_text()
    assert output.read_text().count("Written to ") == 1


def test_the_cluster_listens_on_this_machine_only(cluster: Cluster) -> None:
    links = [path.readlink() for daemon in cluster.daemons for path in Path(f"/proc/{daemon.pid}/fd").iterdir()]
    own = {link.name.partition("[")[2].rstrip("]") for link in links if link.name.startswith("socket:")}
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = [words[1].split(":")[0] for words in lines if words[3] == "0A" and words[9] in own]
    assert listening
    assert set(listening) == {"0100007F"}
