"""Run a stage, as a Snakemake job or alone from a shell or debugger, given its target file.

::

    python src/stages/cluster_concepts.py results/demo/.../concepts.parquet --config seeds=[1]
"""

import argparse
import asyncio
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).resolve().parents[2]
# A stage uses the library that it lies beside, which is the one whose code its rule hashes.
sys.path.insert(0, str(ROOT / "src"))

from voxplain.errors import ArtifactError, ConfigError, VoxplainError  # noqa: E402
from voxplain.provenance import record  # noqa: E402


def run(main: Callable[[Any], None], namespace: dict[str, Any]) -> None:
    """Call ``main(stage)`` with Snakemake's job, or with the one that the command line asks for.

    `stage` is Snakemake's object (input, output, params, wildcards, threads, resources, log,
    config, rule), and has `made_by`, which the stage gives to the artifacts that it writes,
    `measured`, a function that gives what it has needed of its GPU so far, and `networks`, the
    names of networks that the config trusts weights to be of. What is
    printed goes to the rule's log too. A `VoxplainError` is told in one line, its traceback only in
    the log.

    Parameters
    ----------
    main : callable
    namespace : dict
        The stage's ``globals()``, where Snakemake puts its object.
    """
    try:
        stage = namespace.get("snakemake") or _job_of(_arguments(), Path(namespace["__file__"]))
    except VoxplainError as error:
        sys.exit(f"voxplain: {error}")
    params = dict(stage.wildcards.items()) | dict(stage.params.items())
    code = params.pop("code", "")
    device = "cpu"
    if stage.resources.get("device"):
        from voxplain.device import lease_device

        try:
            place = lease_device(stage.resources.device, jobs_per_gpu=stage.resources.jobs_per_gpu)
        except VoxplainError as error:
            sys.exit(f"voxplain: {error}")
        device = place.type  # not which of several, so that equal work gives equal bytes
    stage.networks = [model["network"] for model in stage.config.get("models", {}).values()]
    stage.measured = _measured if device == "cuda" else dict
    stage.made_by = record(rule=stage.rule, params=params, code=code, device=device)
    for output in stage.output:
        Path(output).parent.mkdir(parents=True, exist_ok=True)
    _limit_threads(stage.threads)
    with _logged(stage.log) as log:
        try:
            main(stage)
        except VoxplainError as error:
            log.write(traceback.format_exc())
            print(f"voxplain: {error}", file=sys.stderr)
            sys.exit(1)
        except BaseException:
            log.write(traceback.format_exc())
            raise


def _measured() -> dict[str, Any]:
    """What the stage has needed of its GPU, for the artifacts' attributes."""
    from voxplain.device import measured

    return measured()


def _limit_threads(threads: int) -> None:
    """Hold numerical libraries, those in use and those that come later, to the job's threads."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if "numpy" in sys.modules:
        import threadpoolctl

        threadpoolctl.threadpool_limits(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(threads)


class _Tee:
    """A console stream whose finished lines also go to a log."""

    def __init__(self, console: TextIO, log: TextIO) -> None:
        self._console, self._log, self._line = console, log, ""

    def write(self, text: str) -> int:
        self._console.write(text)
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:  # of a progress bar, only its last state
            self._log.write(line.rpartition("\r")[2] + "\n")
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._console, name)


@contextmanager
def _logged(logs: list[str]) -> Iterator[TextIO]:
    """Copy what is printed to the first of a rule's log files, if it has any."""
    path = Path(logs[0]) if len(logs) else Path(os.devnull)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", errors="replace", buffering=1) as log:
        with redirect_stdout(_Tee(sys.stdout, log)), redirect_stderr(_Tee(sys.stderr, log)):
            yield log


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run this stage alone, in this process, for one file.")
    parser.add_argument("target", help="file that the stage makes")
    parser.add_argument("--configfile", nargs="+", type=Path, default=[], metavar="FILE")
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), metavar="N")
    parser.add_argument("--directory", type=Path, default=ROOT, metavar="DIR", help="where results/ lies")
    return parser.parse_args()


def _job_of(arguments: argparse.Namespace, script: Path) -> Any:
    """Load the workflow and return the object that Snakemake would give the target's job.

    Only this job is looked at, none that comes before it: its input has to be there.
    """
    from snakemake.api import SnakemakeApi
    from snakemake.cli import parse_config
    from snakemake.exceptions import RuleException, WorkflowError
    from snakemake.iocontainers import Snakemake
    from snakemake.settings import types as settings

    configfiles = [path.resolve() for path in arguments.configfile]
    os.chdir(arguments.directory)
    target = os.path.relpath(arguments.target) if os.path.isabs(arguments.target) else arguments.target
    quiet = settings.OutputSettings(quiet={settings.Quietness.ALL}, enable_file_logging=False)
    with SnakemakeApi(quiet) as api:
        try:
            workflow = api.workflow(
                resource_settings=settings.ResourceSettings(cores=arguments.cores),
                config_settings=settings.ConfigSettings(
                    config=parse_config(arguments.config),
                    config_args=arguments.config,
                    configfiles=configfiles,
                ),
                snakefile=_snakefile(),
            )._workflow
            workflow.dag_settings = settings.DAGSettings(targets={target})
            workflow._prepare_dag(forceall=False, ignore_incomplete=True, lock_warn_only=True, nolock=True)
            # Of several rules that make the file, Snakemake takes the greatest by its rule order.
            job = max(asyncio.run(workflow.dag.file2jobs(target)))
            stage = Snakemake(
                job.input,
                job.output,
                job.params,
                job.wildcards,
                job.threads,
                job.resources,
                job.log,
                workflow.globals["config"],
                job.rule.name,
                None,
                str(script.parent),
            )
        except (RuleException, WorkflowError) as error:
            raise ConfigError(str(error).strip()) from error
    made_with = Path(job.rule.script or "").name
    if made_with != script.name:
        raise ConfigError(f"{target} is made by rule {job.rule.name}: run {made_with or 'snakemake'} for it.")
    missing = [path for path in stage.input if not os.path.exists(path)]
    if missing:
        raise ArtifactError(
            f"{target} needs {', '.join(missing)}: make it with `snakemake --cores all {' '.join(missing)}`."
        )
    return stage


def _snakefile() -> Path:
    return next(path for path in (ROOT / "Snakefile", ROOT / "workflow" / "Snakefile") if path.exists())
