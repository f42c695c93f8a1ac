"""The job of one file, as Snakemake would run it, for a stage that is run alone."""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
from pathlib import Path
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.cli import parse_config
from snakemake.exceptions import RuleException, WorkflowError
from snakemake.iocontainers import Snakemake
from snakemake.settings import types as settings

from .errors import ArtifactError, ConfigError


def read_arguments(script: Path) -> argparse.Namespace:
    """Arguments of a stage's script."""
    parser = argparse.ArgumentParser(description="Run this stage alone, in this process, for one file.")
    parser.add_argument("target", help="file that the stage makes")
    parser.add_argument("--configfile", nargs="+", type=Path, default=[], metavar="FILE")
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), metavar="N")
    parser.add_argument(
        "--directory", type=Path, default=_root(script), metavar="DIR", help="where results/ lies"
    )
    return parser.parse_args()


def job_of(arguments: argparse.Namespace, script: Path) -> Any:
    """Load the workflow and return the object that Snakemake would give the target's job.

    Only this job is looked at, none that comes before it: its input has to be there.

    Raises
    ------
    ConfigError
        The config is wrong, or the file is made by another script.
    ArtifactError
        Input is missing.
    """
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
                snakefile=_snakefile(_root(script)),
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
            f"{target} needs {', '.join(missing)}: make it with `snakemake --cores all {shlex.join(missing)}`."
        )
    return stage


def _root(script: Path) -> Path:
    """The checkout that a script of src/stages lies in."""
    return script.resolve().parents[2]


def _snakefile(root: Path) -> Path:
    return next(path for path in (root / "Snakefile", root / "workflow" / "Snakefile") if path.exists())
