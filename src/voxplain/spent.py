"""What a stage has spent: wall and processor time, and memory at its peak; the last line of its log.

Snakemake's benchmark files have the wall time exactly, but processor time and memory as they were at their last sample, and
there are 30 seconds between samples once a job is 15 seconds old (`findings/snakemake_benchmark_stops_at_its_last_sample.sh`).
"""

from __future__ import annotations

import os
import re
import resource
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

LINE = "spent: {seconds:.2f} s, {processor:.2f} s of processor, {begun:.2f} of them before it began, {peak_mb:.0f} MB at most"
PATTERN = re.compile(re.sub(r"\{(\w+):[^}]*\}", r"(?P<\1>[0-9.]+)", LINE))
TAIL = 4096  # bytes of a log that are looked at


class Spent(NamedTuple):
    """Of one job: seconds of wall time, seconds of processor time, those of them before its work began, peak in MB."""

    seconds: float
    processor: float
    begun: float
    peak_mb: float


class Meter:
    """Begins where a stage's work begins; the process's start and its imports lie before that."""

    def __init__(self) -> None:
        self._started, self._begun = time.monotonic(), _processor()

    def line(self) -> str:
        """What was spent until now, as `read_spent` reads it."""
        spent = Spent(time.monotonic() - self._started, _processor(), self._begun, _peak())
        return LINE.format_map(spent._asdict())


def _peak() -> float:
    """Largest resident memory of this process, in MB."""
    try:
        # Not getrusage's, which begins at what the process that started this one had.
        found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        found = None
    return int(found[1]) / 1024 if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _processor() -> float:
    """Processor time of this process and of its children that have ended, user and system, in seconds."""
    return sum(os.times()[:4])


def read_spent(logs: Iterable[str | os.PathLike]) -> pd.DataFrame:
    """What jobs have spent, by their logs.

    Parameters
    ----------
    logs : iterable of path
        Called ``RULE.log`` or ``RULE.JOB.log``. Those without the line, as of a job that failed, are passed over.

    Returns
    -------
    DataFrame : rule, seconds, processor, begun, peak_mb; a row for each job
    """
    import pandas as pd  # which no stage needs for its own line

    rows = []
    for path in map(Path, logs):
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - TAIL, 0))
            lines = file.read().decode(errors="replace").splitlines()
        if lines and (found := PATTERN.fullmatch(lines[-1])):
            rows.append(
                {"rule": path.name.partition(".")[0], **{k: float(v) for k, v in found.groupdict().items()}}
            )
    return pd.DataFrame(rows, columns=["rule", *Spent._fields])
