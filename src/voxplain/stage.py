"""Run a stage, as a Snakemake job or alone from a shell or debugger, given its target file.

::

    python src/stages/find_concepts.py results/demo/.../concepts.parquet --config seeds=[1]
"""

from __future__ import annotations

import mmap
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, TextIO

from .errors import VoxplainError, naming, system_fault
from .provenance import record
from .spent import Meter

LEAST_MEMORY = 256 * 2**20


def run(main: Callable[[Any], None], namespace: dict[str, Any]) -> None:
    """Call ``main(stage)`` with Snakemake's job, or with the one that the command line asks for.

    `stage` is Snakemake's object (input, output, params, wildcards, threads, resources, log,
    config, rule), and has `made_by`, which the stage gives to the artifacts that it writes, and
    `measured`, a function that gives what it has needed of its GPU so far; `resumed` has what
    `voxplain.artifacts.resumable_h5` takes, `networks` the names of networks that the config trusts weights to
    be of, `layers` those of its network that are explained, and `precision` that at which the network is shown many clips. What is printed goes to the rule's log too, which
    ends with what was spent (`voxplain.spent`). A `VoxplainError`, and what the machine lacks (room,
    permission, memory), are told in one line, the traceback only in the log.

    Parameters
    ----------
    main : callable
    namespace : dict
        The stage's ``globals()``, where Snakemake puts its object.
    """
    meter = Meter()
    try:
        stage = namespace.get("snakemake") or _job_of(Path(namespace["__file__"]))
        device = _prepare(stage)
        for output in stage.output:
            Path(output).parent.mkdir(parents=True, exist_ok=True)
        with _logged(stage.log) as log:
            try:
                _describe(stage, device)
                with naming(" or ".join(list(map(str, stage.output))[:3])):
                    main(stage)
                log.write(meter.line() + "\n")
            except BaseException:
                log.write(traceback.format_exc())
                raise
    except Exception as error:
        told = str(error) if isinstance(error, VoxplainError) else system_fault(error)
        if told is None:
            raise
        with suppress(OSError):
            print(f"voxplain: {told}", file=sys.stderr)
        sys.exit(1)


def _prepare(stage: Any) -> str:
    """Take the stage's device and hold libraries to its threads; returns the device's type."""
    _see_memory()
    device = "cpu"
    if stage.resources.get("device"):
        from voxplain.device import lease_device

        # Not which of several, so that equal work gives equal bytes.
        device = lease_device(stage.resources.device, jobs_per_gpu=stage.resources.jobs_per_gpu).type
    _limit_threads(stage.threads)
    return device


def _describe(stage: Any, device: str) -> None:
    """Give the stage what its artifacts say of what made them, and see that given weights are of its network."""
    wildcards = dict(stage.wildcards.items())
    params = wildcards | dict(stage.params.items())
    code = params.pop("code", "")
    models = stage.config.get("models", {})
    stage.networks = [model["network"] for model in models.values()]
    stage.layers = list(models.get(wildcards.get("model"), {}).get("layers", []))
    stage.measured = _measured if device == "cuda" else dict
    from voxplain.artifacts import input_identities

    inputs = input_identities(stage.input)
    stage.made_by = record(
        rule=stage.rule, params=params, code=code, device=device, wildcards=wildcards, inputs=inputs
    )
    stage.precision = "float32"
    if stage.input.get("precision"):
        from voxplain.artifacts import read_table

        # What one job decided for all: the shards of a network never differ.
        stage.precision = str(read_table(stage.input.precision, "chosen_precision")["precision"].item())
        stage.made_by["precision"] = stage.precision
    stage.resumed = {"made_by": stage.made_by, "inputs": stage.input, "attrs": stage.measured}
    if stage.input.get("weights"):
        from voxplain.models.weights import check_weights_place

        check_weights_place(stage.input.weights)


def _job_of(script: Path) -> Any:
    """The job that the command line asks for; Snakemake is loaded for this only."""
    from .jobs import job_of, read_arguments

    return job_of(read_arguments(script), script.resolve())


def _measured() -> dict[str, Any]:
    """What the stage has needed of its GPU, for the artifacts' attributes."""
    from voxplain.device import measured

    return measured()


def _see_memory() -> None:
    """See that the least memory that a stage needs can be had: where it cannot, OpenBLAS hangs and others crash."""
    try:
        mmap.mmap(-1, LEAST_MEMORY, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except OSError as error:
        raise MemoryError(
            f"{LEAST_MEMORY >> 20} MB beside the libraries are the least; {error.strerror}"
        ) from error


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
        with naming(getattr(self._console, "name", "the console")):
            self._console.write(text)
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:  # of a progress bar, only its last state
            with naming(self._log.name):
                self._log.write(line.rpartition("\r")[2] + "\n")
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._console, name)


@contextmanager
def _logged(logs: list[str]) -> Iterator[TextIO]:
    """Copy what is printed to the first of a rule's log files, if it has any."""
    path = Path(logs[0]) if len(logs) else Path(os.devnull)
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming(path), open(path, "w", encoding="utf-8", errors="replace", buffering=1) as log:
        with redirect_stdout(_Tee(sys.stdout, log)), redirect_stderr(_Tee(sys.stderr, log)):
            yield log
