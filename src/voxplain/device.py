"""Where and how to compute: device, precision and batch size, chosen in one place."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import re
import stat
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any, Literal, TextIO, TypeAlias, TypeVar

import numpy as np
import torch

from .convolutions import FewClips
from .errors import ConfigError, VoxplainError

log = logging.getLogger(__name__)
Items = TypeVar("Items", torch.Tensor, np.ndarray, Sequence)
Precision: TypeAlias = Literal["float32", "bfloat16"]

# What this process was given by `lease_device`: all that it computes is computed there.
_leased: torch.device | None = None
_locks: list[TextIO] = []  # held until the process ends, however it ends


def choose_device(name: str = "auto") -> torch.device:
    """Choose the device to compute on.

    Parameters
    ----------
    name : str
        ``auto`` takes the device that the process was given by `lease_device`; else the first GPU that
        ``CUDA_VISIBLE_DEVICES`` leaves visible, else Apple's GPU, else the CPU. Or a device as torch writes it, such as ``cuda:1`` or ``cpu``.

    Raises
    ------
    ConfigError
        The named device is not on this machine.
    """
    if name == "auto":
        if _leased is not None:
            return _leased
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"There is no device {name!r}: use auto, cpu, cuda, cuda:1, ... or mps.") from None
    present = {
        "cpu": True,
        "cuda": (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not present.get(device.type, False):
        raise ConfigError(
            f"The device {name!r} is not on this machine ({torch.cuda.device_count()} CUDA GPUs are visible; "
            f"CUDA_VISIBLE_DEVICES hides some): use auto or cpu."
        )
    return device


def lease_device(name: str = "auto", *, jobs_per_gpu: int = 1) -> torch.device:
    """Take a device for this process alone, or for it and `jobs_per_gpu` - 1 others, and keep it to the end.

    Processes of one machine agree by locked files, one per GPU and place on it, which the system unlocks
    when a process ends or is killed. A GPU with fewer jobs is taken first; while all places of all visible
    GPUs are taken, the process waits.

    Parameters
    ----------
    name : str
        ``auto`` for a GPU that ``CUDA_VISIBLE_DEVICES`` leaves visible; otherwise as in `choose_device`, and
        nothing is locked.
    jobs_per_gpu : int

    Returns
    -------
    device
        From here on what `choose_device` gives.
    """
    global _leased
    if name == "auto" and torch.cuda.is_available():
        number, lock = take_place(_gpu_names(), jobs_per_gpu)
        _locks.append(lock)
        device = torch.device("cuda", number)
        torch.cuda.set_device(device)
    else:
        device = choose_device(name)
    _leased = device
    return device


def _gpu_names() -> list[str]:
    """Names of the visible GPUs that are the same in every process, whatever numbers they have there."""
    return [str(torch.cuda.get_device_properties(n).uuid) for n in range(torch.cuda.device_count())]


def take_place(
    names: Sequence[str],
    places: int = 1,
    *,
    folder: Path | None = None,
    poll: float = 1.0,
    wait: float | None = None,
) -> tuple[int, TextIO]:
    """Lock a free place on one of several devices, those with the fewest taken first.

    Parameters
    ----------
    names : sequence of str
        Of the devices, the same in all processes.
    places : int
        Processes that may share a device.
    folder : path, optional
        Where the locked files lie, on this machine: by default one per user for temporary files.
    poll, wait : float
        Seconds between attempts, and until giving up; None waits for ever.

    Returns
    -------
    number : int
        Of the device.
    lock : file
        Closing it gives the place back.

    Raises
    ------
    VoxplainError
        No place became free in time, or the folder is not the user's own alone.
    """
    folder = folder or Path(tempfile.gettempdir(), f"voxplain-devices-{os.getuid()}")
    _own_folder(folder)
    end, told = None if wait is None else time.monotonic() + wait, False
    while True:
        for place in range(places):
            for number, name in enumerate(names):
                lock = _open_lock(folder / f"{re.sub(r'[^A-Za-z0-9-]', '_', name)}.{place}.lock")
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    lock.close()
                else:
                    return number, lock
        if end is not None and time.monotonic() >= end:
            raise VoxplainError(
                f"All {len(names)} devices are taken. Raise device.jobs_per_gpu, or wait for other jobs to end."
            )
        if not told:
            log.warning("All %d GPUs are taken: waiting for one.", len(names))
            told = True
        time.sleep(poll)


def _own_folder(folder: Path) -> None:
    """Make the folder if it is not there, and see that it is one, and that nobody else can write to it.

    Where all users write, as in /tmp, another one could put links to the user's files there.
    """
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700, parents=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise VoxplainError(
            f"{folder}, where processes agree on GPUs, is not a folder that you alone can write to: remove it (or have "
            "its owner do so), or set TMPDIR to a folder of your own, the same for all jobs of this machine."
        )


def _open_lock(path: Path) -> TextIO:
    """Open a file to lock: no link is followed, and nothing in it is changed."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EISDIR):
            raise
        raise VoxplainError(f"{path} is not a file to lock, as it should be: remove it.") from None
    return os.fdopen(handle, "r+")


def measured() -> dict[str, int]:
    """What the process has needed of its GPU so far, for an artifact's attributes; nothing on a CPU.

    (There, Snakemake's benchmark files have it: a process's resident memory differs between equal runs,
    and equal work should give equal bytes.)
    """
    device = choose_device()
    if device.type != "cuda":
        return {}
    return {"peak_memory_mb": -(-torch.cuda.max_memory_allocated(device) // 2**20)}


def choose_precision(device: torch.device, precision: Precision = "float32") -> AbstractContextManager:
    """Context in which to train a network: automatic bfloat16 where asked for and where the hardware has it.

    Elsewhere float32 is used, and the log says so.
    """
    if precision == "bfloat16":
        # Not the CPU's: training small 3D networks with it ended in losses that are no numbers (torch 2.15).
        if device.type == "cuda" and has_bfloat16(device):
            return passes_in(device, precision)
        log.warning("%s has no bfloat16 of its own to train in: float32 is used.", device)
    return passes_in(device, "float32")


def passes_in(device: torch.device, precision: Precision) -> AbstractContextManager:
    """Context in which a network is shown clips at a precision; bfloat16 is for passes without gradients.

    Of float32 on a CPU convolutions of few clips take the faster kernel. bfloat16 is kept also where the hardware has none
    and takes longer: what one run computes on several machines is computed alike.
    """
    if precision == "bfloat16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return FewClips() if device.type == "cpu" else nullcontext()


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 itself, so that it may be faster than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Not public in torch 2.11 to 2.15; where they are no more, float32 is used.
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return device.type == "cpu" and any(getattr(torch.cpu, name, bool)() for name in probes)


def batched(function: Callable[[Items], Any], items: Items, batch_size: int) -> Any:
    """Apply a function to batches of items of about equal size, and join what it returns.

    So of batches of 3 or more none is left with a single clip, of which PyTorch's convolutions take longer than of two
    (`findings/torch_conv3d_of_one_clip_takes_longer_than_of_two.sh`). When memory runs out, the batch size is halved from there on, and the log says so.

    Parameters
    ----------
    function : callable
        Maps items ``[i:j]`` to a tensor, an array, or a dict or tuple of such, of length ``j - i`` along the
        first axis.
    items : tensor, array or sequence
        At least one.
    batch_size : int
        Greatest number of items at once.

    Returns
    -------
    Same as of `function`, for all items

    Raises
    ------
    VoxplainError
        Memory runs out with a single item.
    """
    results: list[Any] = []
    start = 0
    while start < len(items):
        left = len(items) - start
        size = -(-left // -(-left // batch_size))
        result = _unless_out_of_memory(function, items[start : start + size])
        if result is not None:
            results.append(result)
            start += size
            continue
        # The failed attempt's frames are gone by now, and its memory can be given back.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if size == 1:
            raise VoxplainError(
                "Memory runs out with one item at a time: use smaller clips, or another device."
            )
        batch_size = size // 2
        log.warning("Out of memory: going on with batches of %d.", batch_size)
    return _join(results)


def _unless_out_of_memory(function: Callable[[Items], Any], items: Items) -> Any | None:
    """Return the function's result, or None where memory ran out."""
    try:
        return function(items)
    except (RuntimeError, MemoryError) as error:
        # Only CUDA has a class of its own for this; the CPU's and MPS's allocators say it in words.
        in_words = any(words in str(error).lower() for words in ("out of memory", "allocate memory"))
        if in_words or isinstance(error, torch.OutOfMemoryError | MemoryError):
            return None
        raise


def _join(parts: list[Any]) -> Any:
    first = parts[0]
    if isinstance(first, dict):
        return {key: _join([part[key] for part in parts]) for key in first}
    if isinstance(first, tuple):
        return tuple(_join(list(column)) for column in zip(*parts, strict=True))
    return torch.cat(parts) if isinstance(first, torch.Tensor) else np.concatenate(parts)
