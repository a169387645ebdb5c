"""cluster=slurm up to the submission, with commands that stand for SLURM's."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import ROOT, checked, settings
from fixtures.fake_slurm import Commands
from love_thy_neighbors.errors import UserError
from love_thy_neighbors.programs.slurm_sweep import _checked_lines, _executor


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    made = Commands(tmp_path / "bin")
    for name, text in {"srun": "", "sbatch": "Submitted batch job 42", "squeue": "42_0|RUNNING\n42_1|PENDING"}.items():
        made.write(name, text)
    return made


def sweep(commands: Commands, collection: Path, place: Path, *overrides: str) -> subprocess.Popen[str]:
    places = (f"data={collection}", f"logs={place}/logs", f"cache={place}/cache", "h=8")
    return subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), "-m", *places, "cluster=slurm", *overrides],
        cwd=place,
        env=os.environ | {"COLUMNS": "200", "PATH": f"{commands.folder}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell may have it ignored
    )


def interrupted(process: subprocess.Popen[str], text: str) -> str:
    """The output of a sweep that gets Ctrl-C after it has printed ``text``."""
    assert process.stdout is not None
    assert process.stderr is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            break
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 1, (lines, output, errors)
    assert "Traceback" not in errors
    return "".join(lines) + output + errors


def test_a_sweep_is_submitted_once(made_up: Path, tmp_path: Path, commands: Commands) -> None:
    further = ("nice=100", "mail_type=FAIL", "dependency=afterok:5", "runs_per_job=2", "setup=[module load cuda]")
    given = [f"hydra.launcher.{one}" for one in further] + ["+hydra.launcher.licenses=a", "seed=0,1,2"]
    told = interrupted(sweep(commands, made_up, tmp_path, *given), "SLURM job 42: 2 jobs, 2 runs in each")
    assert "scancel 42" in told.splitlines()[-1]
    assert "3 jobs" in told.splitlines()[-1]
    script = (tmp_path / "logs" / "slurm" / "42" / "42_submission.sh").read_text()
    options = ("nice=100", "mail-type=FAIL", "dependency=afterok:5", "licenses=a", "ntasks-per-node=2", "requeue")
    for option in options:
        assert f"#SBATCH --{option}\n" in script
    assert "module load cuda\n} || {" in script
    told = interrupted(sweep(commands, made_up, tmp_path, "seed=0,1,2"), "Queued or running already")
    assert "3 of the jobs, in SLURM job 42" in told
    assert sum(call.startswith("sbatch") for call in commands.calls()) == 1


def test_mistakes_are_found_before_anything_is_submitted(made_up: Path, tmp_path: Path, commands: Commands) -> None:
    process = sweep(commands, made_up, tmp_path, "lr=1e-3,-1", "split=0,1")
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert output.startswith("  lr=-1 split=0\n  lr=-1 split=1\n    lr=-1: ")
    assert "2 of 4 jobs" in errors
    assert commands.calls() == []
    assert not (tmp_path / "logs").exists() or not list((tmp_path / "logs").iterdir())


def test_overwrite_needs_no_resume_false(made_up: Path, tmp_path: Path, commands: Commands) -> None:
    told = interrupted(sweep(commands, made_up, tmp_path, "overwrite=true", "seed=0,1"), "SLURM job 42: 2 jobs;")
    assert "scancel 42" in told


@pytest.mark.parametrize("cluster", ["slurm", "submitit_local"])
def test_on_a_cluster_a_run_goes_on_unless_it_is_to_begin_again(made_up: Path, cluster: str) -> None:
    given = (f"data={made_up}", f"cluster={cluster}")
    assert checked(settings(*given)).resume
    assert not checked(settings(*given, "overwrite=true")).resume


def options(folder: Path, **changed: object) -> dict[str, object]:
    from hydra_plugins.love_thy_neighbors_slurm.launcher import SlurmSweepConf

    return {**vars(SlurmSweepConf(submitit_folder=str(folder / "%j"), name="train")), **changed}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"runs_per_job": 0}, "runs_per_job"),
        ({"array_parallelism": 0}, "array_parallelism"),
        ({"runs_per_job": 2, "nodes": 2}, "runs_per_job"),
        ({"runs_per_job": 2, "tasks_per_node": 2}, "runs_per_job"),
    ],
)
def test_wrong_options_are_named(tmp_path: Path, changed: dict[str, object], named: str) -> None:
    with pytest.raises(UserError, match=named):
        _executor(tmp_path / "%j", options(tmp_path, **changed))


@pytest.mark.parametrize(
    ("lines", "status", "out"),
    [
        (["export A=1", "A=2  # a comment", "echo $A"], 0, "2\nthe job\n"),
        (["true", "ls /nowhere 2> /dev/null", "echo not reached"], 2, ""),
        (["cd /nowhere"], 1, ""),
    ],
)
def test_a_failing_setup_line_ends_the_script(lines: list[str], status: int, out: str) -> None:
    script = "\n".join([*_checked_lines(lines), "echo the job"])
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (status, out)
    assert bool(status) is ("setup: " in done.stderr)


def test_a_task_is_not_ended_by_a_signal_while_it_starts(tmp_path: Path, commands: Commands) -> None:
    """SLURM queues a preempted job again only if it has not ended by itself."""
    from love_thy_neighbors.programs.slurm_sweep import _DEAF

    code = "import os, signal; [os.kill(os.getpid(), one) for one in (15, 10, 12)]; print('alive')"
    done = subprocess.run(["bash", "-c", _DEAF, sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "alive\n")
