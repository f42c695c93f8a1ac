"""What Snakemake would run, asked within this process: a command of its own takes much longer to start."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.cli import parse_config
from snakemake.jobs import Job
from snakemake.settings import types

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
        return list(workflow.dag.needrun_jobs())
