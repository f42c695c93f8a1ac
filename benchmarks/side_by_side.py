"""Processor time of ours and of a peer, in turn in one process, as a row of every benchmark's table."""

from __future__ import annotations

from collections.abc import Callable
from time import process_time

import numpy as np


def row(part: str, against: str, peer: np.ndarray, ours: np.ndarray, *, goal: float) -> dict:
    """Part, against, ratio of the peer's median time over ours (above 1 is faster), its least and greatest, goal, met.

    Parameters
    ----------
    part, against : str
        What is timed, and the peer.
    peer, ours : (repeats,) float
        Seconds.
    goal : float
        Ratio to reach.
    """
    ratios = peer / ours
    ratio = float(np.median(peer) / np.median(ours))
    return {
        "part": part,
        "against": against,
        "ratio": ratio,
        "low": float(ratios.min()),
        "high": float(ratios.max()),
        "goal": goal,
        "met": bool(ratio >= goal),
    }


def compare(
    part: str,
    against: str,
    ours: Callable[[], object],
    peer: Callable[[], object] | float,
    *,
    goal: float,
    repeats: int,
    times: float = 1.0,
) -> dict:
    """`row` of two functions, or of ours and a number of seconds, after one call of each that is not counted.

    Parameters
    ----------
    times : float
        How often the peer would have to be called to do as much as ours, where one call of it is long enough.
    """
    ours(), callable(peer) and peer()
    found = np.array([(seconds(peer) if callable(peer) else peer, seconds(ours)) for _ in range(repeats)])
    return row(part, against, found[:, 0] * times, found[:, 1], goal=goal)


def seconds(function: Callable[[], object]) -> float:
    """Processor time of one call, which other work on the machine does not count in."""
    start = process_time()
    function()
    return process_time() - start
