"""How long explanations take (Selective Relevance, table 4)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch


def time_steps(
    first: Callable[[], Any], then: Callable[[Any], Any], device: torch.device, *, repeats: int, warmup: int
) -> tuple[list[float], list[float]]:
    """Measure two steps of which the second needs what the first makes.

    The device is waited for before each reading of the clock: otherwise a GPU has only been told what to do.

    Parameters
    ----------
    first : callable
        Without arguments.
    then : callable
        Is given what `first` returns.
    device : torch.device
        Where both compute.
    repeats, warmup : int
        Measurements, and runs before them that do not count.

    Returns
    -------
    first_ms, both_ms : lists of float
        Milliseconds from the start to the end of the first step, and of both, for each measurement.
    """
    readings = []
    for _ in range(warmup + repeats):
        start = now(device)
        made = first()
        middle = now(device)
        then(made)
        readings.append((middle - start, now(device) - start))
    counted = readings[warmup:]
    return [1e3 * one for one, _ in counted], [1e3 * both for _, both in counted]


def describe_device(device: torch.device) -> str:
    """Device as tables name it, with the number of threads of a CPU."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"cpu ({torch.get_num_threads()} threads)" if device.type == "cpu" else device.type


def now(device: torch.device) -> float:
    """Seconds of a clock, once a device has done all that it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()
