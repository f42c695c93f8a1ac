"""Streams of random numbers by name, so that no two uses of a seed share one."""

from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """A generator of its own for each seed and list of names.

    What is drawn hangs on what it is drawn for, never on the order, the shard or the process in which that
    comes: `stream(seed, "edit_concepts", model, layer, video, clip, strategy)`.

    Parameters
    ----------
    seed : int
        Of the run, at least 0.
    *names : str or int
        What the numbers are for, from the general to the particular. 1 and "1" are the same name.
    """
    # As many words of entropy as names, and their number first, so that no list is the start of another.
    words = [zlib.crc32(str(name).encode()) for name in names]
    return np.random.default_rng(np.random.SeedSequence([int(seed), len(words), *words]))


def seed_of(seed: int, *names: str | int) -> int:
    """A seed in 0..2**31 - 1 for what takes a whole number only; of the same names as `stream`, and as different."""
    return int(stream(seed, *names).integers(2**31))
