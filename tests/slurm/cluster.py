"""A SLURM of two nodes on this machine, for the tests: its own daemons, files in one folder, on 127.0.0.1 only."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "scancel", "sacct")
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"

_SLURM_CONF = """\
ClusterName=tests
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdSpoolDir={folder}/spool-%n
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
MailProg=/bin/true
KillWait=3
MinJobAge={age}
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
NodeName=node1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[1]} CPUs=8 RealMemory=64000 Gres=gpu:4
NodeName=node2 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[2]} CPUs=8 RealMemory=64000 Gres=gpu:4
PartitionName=work Nodes=ALL Default=YES PriorityTier=1 MaxTime=INFINITE
PartitionName=grace Nodes=ALL PriorityTier=1 GraceTime=20 MaxTime=INFINITE
PartitionName=urgent Nodes=ALL PriorityTier=10 PreemptMode=OFF MaxTime=INFINITE
{accounting}
"""


def missing() -> str | None:
    """What to install, in one sentence; None if everything is there."""
    lacking = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
    if lacking:
        return f"no {', '.join(lacking)} here; on Debian or Ubuntu: sudo apt-get install slurm-wlm munge"
    return None


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@dataclass
class Cluster:
    """A running SLURM. ``environment`` makes SLURM's commands talk to it."""

    folder: Path
    environment: dict[str, str]
    daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def ask(self, *command: str, check: bool = True) -> str:
        """The output of one of SLURM's commands."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
        )
        assert not check or done.returncode == 0, (command, done.stderr)
        return done.stdout

    def states(self, job: str) -> dict[str, str]:
        """The state of each element of a job, by number; those that SLURM has forgotten are left out."""
        listed = self.ask("squeue", "-h", "-r", "-t", "all", "-j", job, "-o", "%i %T", check=False)
        return dict(line.split() for line in listed.splitlines())

    def show(self, job: str) -> dict[str, str]:
        """What SLURM knows about a job."""
        return dict(word.partition("=")[::2] for word in self.ask("scontrol", "-o", "show", "job", job).split())

    def jobs(self) -> list[str]:
        """The numbers of all jobs and elements that are queued or running."""
        return self.ask("squeue", "-h", "-r", "-o", "%i").split()

    def clear(self) -> None:
        """Cancel every job, and wait until none is left."""
        self.ask("scancel", "--user=root", "--signal=KILL", "--full", check=False)
        self.ask("scancel", "--user=root", check=False)
        wait_until(lambda: not self.jobs(), 60)


def wait_until(true: "object", seconds: float = 120, step: float = 0.2) -> None:
    """Wait until ``true()``, and fail after ``seconds``."""
    assert callable(true)
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(step)


def _start(cluster: Cluster, *command: str) -> None:
    program = shutil.which(command[0], path=PATH)
    assert program is not None
    with (cluster.folder / "daemons.log").open("ab") as log:
        cluster.daemons.append(
            subprocess.Popen(
                [program, *command[1:]], env=cluster.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        )


@contextmanager
def slurm(folder: Path, accounting: str = "", age: int = 300) -> Iterator[Cluster]:
    """A SLURM whose files are in ``folder``. All its daemons and jobs have ended when the block is left.

    accounting: further lines of slurm.conf. age: seconds after which it forgets a job that has ended.
    """
    folder.chmod(0o755)
    (folder / "state").mkdir()
    for name in ("node1", "node2"):
        (folder / f"spool-{name}").mkdir()
    user = os.environ.get("USER", "root")
    ports = _free_ports(3)
    conf = folder / "slurm.conf"
    conf.write_text(_SLURM_CONF.format(folder=folder, ports=ports, user=user, accounting=accounting, age=age))
    for number in range(4):
        (folder / f"gpu{number}").touch()
    (folder / "gres.conf").write_text(f"NodeName=node[1-2] Name=gpu File={folder}/gpu[0-3]\n")
    (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH", "SRUN"))}
    cluster = Cluster(folder, kept | {"SLURM_CONF": str(conf), "PATH": PATH})
    files = {"socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    options = [f"--{option}={folder}/munge.{name}" for option, name in files.items()]
    try:
        _start(cluster, "munged", "--foreground", "--force", "--num-threads=2", f"--key-file={key}", *options)
        wait_until((folder / "munge.socket").exists, 20)
        _start(cluster, "slurmctld", "-D", "-c", "-f", str(conf))
        for name in ("node1", "node2"):
            _start(cluster, "slurmd", "-D", "-c", "-N", name, "-f", str(conf))
        wait_until(lambda: cluster.ask("sinfo", "-h", "-N", "-o", "%t", check=False).split() == ["idle"] * 6, 60)
        yield cluster
    finally:
        _stop(cluster)


def _stop(cluster: Cluster) -> None:
    """Cancel the jobs and end the daemons, the last one first."""
    if len(cluster.daemons) > 1:
        with suppress(AssertionError, subprocess.TimeoutExpired):
            cluster.clear()
    for daemon in reversed(cluster.daemons):
        daemon.send_signal(signal.SIGTERM)
        try:
            daemon.wait(timeout=15)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
