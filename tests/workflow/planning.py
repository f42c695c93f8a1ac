"""What Snakemake would run, asked within this process: a command of its own takes much longer to start."""

from __future__ import annotations

import os
import runpy
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import cv2
import torch
from snakemake.api import SnakemakeApi
from snakemake.cli import parse_config
from snakemake.dag import DAG
from snakemake.iocontainers import Snakemake
from snakemake.jobs import Job
from snakemake.settings import types
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).resolve().parents[2]
QUIET = types.OutputSettings(quiet={types.Quietness.ALL}, enable_file_logging=False)


def planned(folder: Path, *targets: str, **options: Any) -> set[str]:
    """Names of the rules that a run in a folder would execute, without targets; see `jobs`."""
    return {job.rule.name for job in jobs(folder, *targets, **options) if job.output}


def jobs(
    folder: Path,
    *targets: str,
    configfile: str | Path,
    config: Sequence[str] = (),
    forcerun: Sequence[str] = (),
    root: Path = ROOT,
) -> list[Job]:
    """What a run in a folder would execute.

    Parameters
    ----------
    configfile : str or path
        ``tests/workflow/NAME.yaml`` by its name, or any other.
    config : sequence of KEY=VALUE
    """
    with _dag(folder, *targets, configfile=configfile, config=config, forcerun=forcerun, root=root) as dag:
        return list(dag.needrun_jobs())


def run_here(folder: Path, *targets: str, threads: int | None = None, **options: Any) -> list[str]:
    """Run what a run in a folder would execute, stage after stage within this process; names of the rules, in order.

    Parameters
    ----------
    threads : int, optional
        Of every stage, whatever its rule says.
    options
        As for `jobs`.
    """
    with _dag(folder, *targets, **options) as dag:
        waiting, stages = [job for job in dag.needrun_jobs() if job.output], []
        while waiting:
            coming = {str(path) for job in waiting for path in job.output}
            ready = [job for job in waiting if coming.isdisjoint(map(str, job.input))]
            stages += [_stage_of(job, dag.workflow.globals["config"], threads) for job in ready]
            waiting = [job for job in waiting if job not in ready]
    with chdir(folder), keeping_threads():
        for script, stage in stages:
            runpy.run_path(script, init_globals={"snakemake": stage}, run_name="__main__")
    return [stage.rule for _, stage in stages]


def _stage_of(job: Job, config: dict[str, Any], threads: int | None) -> tuple[str, Snakemake]:
    """A stage's script, and what Snakemake would give it."""
    script = str(ROOT / "src/stages" / Path(job.rule.script).name)
    places = [paths._plainstrings() for paths in (job.input, job.output)]
    given = [job.params, job.wildcards, threads or job.threads, job.resources, job.log._plainstrings()]
    return script, Snakemake(*places, *given, config, job.rule.name, None, str(Path(script).parent))


@contextmanager
def keeping_threads() -> Iterator[None]:
    """Leave the process the numbers of threads that it has."""
    variable, torchs, cvs = os.environ.get("OMP_NUM_THREADS"), torch.get_num_threads(), cv2.getNumThreads()
    with threadpool_limits():
        yield
    torch.set_num_threads(torchs)
    cv2.setNumThreads(cvs)
    os.environ.pop("OMP_NUM_THREADS")
    if variable is not None:
        os.environ["OMP_NUM_THREADS"] = variable


@contextmanager
def _dag(
    folder: Path,
    *targets: str,
    configfile: str | Path,
    config: Sequence[str] = (),
    forcerun: Sequence[str] = (),
    root: Path = ROOT,
) -> Iterator[DAG]:
    known = ROOT / f"tests/workflow/{configfile}.yaml"
    with chdir(folder), SnakemakeApi(QUIET) as api:
        workflow = api.workflow(
            resource_settings=types.ResourceSettings(cores=2),
            config_settings=types.ConfigSettings(
                config=parse_config(config),
                config_args=list(config),
                configfiles=[known if known.exists() else Path(configfile)],
            ),
            snakefile=root / "workflow/Snakefile",
        )._workflow
        workflow.dag_settings = types.DAGSettings(targets=set(targets), forcerun=frozenset(forcerun))
        workflow._prepare_dag(forceall=False, ignore_incomplete=True, lock_warn_only=True, nolock=True)
        workflow._build_dag()
        yield workflow.dag
