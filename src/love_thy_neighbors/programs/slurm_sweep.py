"""cluster=slurm: the runs of a sweep as one array of SLURM jobs, which are submitted once and waited for.

submitit writes the sbatch script and carries the work to the nodes. What was submitted is in ``submitted-ARRAY.json``
beside the jobs' logs (`slurm_ledger`), so the same command waits for runs that are still queued or running.
"""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext

from love_thy_neighbors.errors import UserError, require_whole
from love_thy_neighbors.programs import slurm_ledger
from love_thy_neighbors.programs.experiments import Composer
from love_thy_neighbors.programs.slurm_ledger import Place
from love_thy_neighbors.programs.slurm_run import Pack, Run, Work
from love_thy_neighbors.programs.slurm_wait import wait_for
from love_thy_neighbors.programs.start import job_name
from love_thy_neighbors.programs.sweep_outcomes import Failure, print_failures
from love_thy_neighbors.runs.identity import fingerprint
from love_thy_neighbors.runs.requirements import check_collection
from love_thy_neighbors.runs.results import CHECKPOINT, RESULTS
from love_thy_neighbors.runs.settings import settings_of
from love_thy_neighbors.slurm.commands import NoAnswerError
from love_thy_neighbors.visible import say

# Keys of hydra.launcher that sbatch does not get.
_OURS = ("submitit_folder", "runs_per_job", "max_num_timeout", "additional_parameters", "setup")
# Until Python answers signals itself, some seconds after its start, they must not end the process.
_DEAF = 'trap \'\' TERM USR1 USR2; exec "$0" "$@"'


def launch(
    work: Work, options: Mapping[str, Any], job_overrides: Sequence[Sequence[str]], first: int
) -> list[JobReturn]:
    """The outcomes of the runs, in order; those that are not in SLURM's queue yet are submitted.

    options: the keys of hydra.launcher. first: the number of the first run in the sweep. Raises `UserError`, and
    submits nothing, if any run has a mistake in its settings; and after Ctrl-C, while the jobs go on.
    """
    folder = Path(options["submitit_folder"]).absolute()
    executor = _executor(folder, options)
    configs = _configs(work.context, str(work.config.hydra.job.config_name), job_overrides)
    _refuse_mistakes(job_overrides, configs)
    names = [job_name(config) for config in configs]
    try:
        places = slurm_ledger.still_there(folder)
    except NoAnswerError as error:
        raise UserError(f"cluster: SLURM does not say which jobs are there ({error}); nothing was submitted.") from None
    new = [place for place, name in enumerate(names) if name not in places]
    if len(new) < len(names):
        arrays = sorted({places[name].array for name in names if name in places})
        say(f"Queued or running already: {len(names) - len(new)} of the jobs, in SLURM job {', '.join(arrays)}.")
    if new:
        runs = [_run(job_overrides[place], first + place, configs[place], names[place]) for place in new]
        submitted = dict(zip((names[place] for place in new), _submit(executor, work, options, runs), strict=True))
        slurm_ledger.write(folder, submitted)
        places |= submitted
    outcomes = _waited(folder, [places[name] for name in names])
    return [_as_return(one) for one in outcomes]


def _configs(context: HydraContext, name: str, job_overrides: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    assert GlobalHydra.instance().is_initialized()
    composer = Composer(context.config_loader, name)
    return [composer(overrides) for overrides in job_overrides]


def _refuse_mistakes(job_overrides: Sequence[Sequence[str]], configs: Sequence[dict[str, Any]]) -> None:
    """Raise `UserError` if the settings of any run are wrong, after each wrong one has been printed."""
    found = [_mistake(config) for config in configs]
    wrong = sum(one is not None for one in found)
    if wrong:
        print_failures(job_overrides, found)
        count = f"{wrong} of {len(configs)} jobs {'has' if wrong == 1 else 'have'} a mistake"
        raise UserError(f"{count} in the settings, listed above; nothing was submitted.")


def _mistake(config: dict[str, Any]) -> Failure | None:
    try:
        check_collection(settings_of(config))
    except UserError as error:
        return Failure(str(error))
    return None


def _run(overrides: Sequence[str], number: int, config: dict[str, Any], name: str) -> Run:
    if not config["overwrite"]:
        return Run(tuple(overrides), number, {})
    paths = [Path(config["logs"]).absolute() / name / file for file in (RESULTS, CHECKPOINT)]
    return Run(tuple(overrides), number, {path: fingerprint(path) for path in paths if path.is_file()})


def packs(runs: Sequence[Run], size: int) -> list[list[Run]]:
    """The runs, ``size`` to a job; the last job may have fewer.

    >>> [len(pack) for pack in packs(range(5), 2)]
    [2, 2, 1]
    """
    return [list(runs[start : start + size]) for start in range(0, len(runs), size)]


def _submit(executor: Any, work: Work, options: Mapping[str, Any], runs: Sequence[Run]) -> list[Place]:
    """Submit the runs; returns where the outcome of each will be."""
    size = min(options["runs_per_job"], len(runs))
    packed = packs(runs, size)
    one_each = options["runs_per_job"] > 1
    if one_each:
        executor.update_parameters(ntasks_per_node=size)
    try:
        jobs = executor.submit_array([Pack(work, pack, one_each) for pack in packed])
    except (RuntimeError, OSError) as error:
        raise UserError(f"cluster: the jobs could not be submitted ({_reason(error)}).") from None
    array = jobs[0].job_id.split("_")[0]
    side_by_side = f", {size} runs in each" if one_each else ""
    log = str(executor.folder).replace("%j", jobs[0].job_id if len(jobs) == 1 else f"{array}_*")
    many = "1 job" if len(packed) == 1 else f"{len(packed)} jobs"
    say(f"SLURM job {array}: {many}{side_by_side}; output in {log}; scancel {array} cancels.")
    return [Place(job.job_id, task) for job, pack in zip(jobs, packed, strict=True) for task, _ in enumerate(pack)]


def _executor(folder: Path, options: Mapping[str, Any]) -> Any:
    """submitit's executor for SLURM, with all that sbatch is to be asked for."""
    for key, least in {"runs_per_job": 1, "array_parallelism": 1, "timeout_min": 1, "max_num_timeout": 0}.items():
        require_whole(f"hydra.launcher.{key}", options[key], least)
    if options["runs_per_job"] > 1 and (options["nodes"], options["tasks_per_node"]) != (1, 1):
        raise UserError(
            "hydra.launcher.runs_per_job: the runs of a job share one node, a task each; leave out nodes and "
            "tasks_per_node."
        )
    try:
        from submitit.slurm.slurm import SlurmExecutor
    except ImportError:
        raise UserError("cluster=slurm needs submitit; pip install -e '.[slurm]'.") from None

    class Executor(SlurmExecutor):
        """Starts `slurm_run` in each task."""

        @property
        def _submitit_command_str(self) -> str:
            module = "love_thy_neighbors.programs.slurm_run"
            return shlex.join(["bash", "-c", _DEAF, sys.executable, "-u", "-m", module, str(self.folder)])

    try:
        made = Executor(folder)
        asked = made._convert_parameters({key: value for key, value in options.items() if key not in _OURS})
        known = made._valid_parameters()
        further = {key.replace("_", "-"): value for key, value in asked.items() if key not in known}
        made.update_parameters(
            **{key: value for key, value in asked.items() if key in known and value is not None},
            setup=_checked_lines(options["setup"] or ()),
            srun_args=["--kill-on-bad-exit=0", "--wait=0"] if options["runs_per_job"] > 1 else [],
            additional_parameters={key: value for key, value in further.items() if value is not None}
            | options["additional_parameters"],
        )
    except (RuntimeError, OSError, ValueError, TypeError) as error:
        raise UserError(f"cluster: the jobs could not be submitted ({_reason(error)}).") from None
    return made


def _checked_lines(lines: Sequence[str]) -> list[str]:
    """Lines of the shell that end the job, with a message, if they fail; by default the shell goes on."""
    return [
        f"{{\n{line}\n}} || {{ status=$?; echo {shlex.quote(f'setup: {line}: failed')} >&2; exit $status; }}"
        for line in lines
    ]


def _waited(folder: Path, places: Sequence[Place]) -> list[Any]:
    try:
        return wait_for(folder, places)
    except KeyboardInterrupt:
        left = [place for place in places if not place.outcome(folder).is_file()]
        arrays = " ".join(sorted({place.array for place in left}))
        raise UserError(
            f"interrupted; {len(left)} jobs go on; the same command waits for them again, scancel {arrays} ends them."
        ) from None


def _as_return(outcome: Any) -> JobReturn:
    if isinstance(outcome, Failure):
        return JobReturn(status=JobStatus.COMPLETED, _return_value=outcome)
    assert isinstance(outcome, JobReturn)
    return outcome


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:600]
