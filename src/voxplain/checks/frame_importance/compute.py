"""Curves over a clip's frames: how much of a map lies in each, and what the network loses without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from ...device import batched

RELEVANCE, HIDDEN, REPEATED = "relevance", "hidden", "repeated"
EFFECTS = (HIDDEN, REPEATED)
MIDDLE, CENTER = "control_middle", "control_center"
COLUMNS = ["measure", "method", "control_of", "selective", "frame", "value"]


def frame_shares(relevance: np.ndarray) -> np.ndarray:
    """Share of a map's positive relevance in each frame.

    Parameters
    ----------
    relevance : (T, H, W) float

    Returns
    -------
    (T,) float : sums to 1; NaN where nothing is positive
    """
    inside = relevance.clip(min=0).sum(axis=(1, 2), dtype=np.float64)
    return inside / (inside.sum() or np.nan)


def without_frames(clip: np.ndarray, fill: np.ndarray) -> dict[str, np.ndarray]:
    """A clip without each of its frames in turn.

    Parameters
    ----------
    clip : (T, H, W, 3) uint8
        At least two frames.
    fill : (3,) uint8

    Returns
    -------
    dict of (T, T, H, W, 3) uint8
        hidden: frame t shows the fill. repeated: it shows the next frame, the last one that before it, so that only what
        is new in it is missing.
    """
    frames = len(clip)
    every = np.arange(frames)
    hidden, repeated = (np.repeat(clip[None], frames, axis=0) for _ in range(2))
    hidden[every, every] = fill
    repeated[every, every] = clip[np.minimum(every + 1, frames - 1)]
    repeated[-1, -1] = clip[-2]
    return {HIDDEN: hidden, REPEATED: repeated}


def frame_effects(
    logits: Callable[[np.ndarray], np.ndarray],
    clip: np.ndarray,
    target: int,
    *,
    fill: np.ndarray,
    batch: int = 8,
) -> dict[str, np.ndarray]:
    """By how much a class's logit falls when a frame is hidden, and when it is repeated.

    Parameters
    ----------
    logits : callable
        Maps uint8 (n, T, H, W, 3) to float (n, classes).
    clip : (T, H, W, 3) uint8
    target : int
        The class.
    fill : (3,) uint8
    batch : int
        Clips per pass; halved when memory runs out.

    Returns
    -------
    dict of (T,) float : hidden, repeated
    """
    before = logits(clip[None])[0, target]
    return {
        name: before - batched(logits, clips, batch)[:, target]
        for name, clips in without_frames(clip, fill).items()
    }


def frame_rows(
    maps: Mapping[str, np.ndarray],
    selected: Mapping[str, np.ndarray],
    controls: Mapping[tuple[str, str], np.ndarray],
    effects: Mapping[str, np.ndarray],
) -> pd.DataFrame:
    """All curves of one clip.

    Parameters
    ----------
    maps : mapping of str to (T, H, W) float
        By explainer.
    selected : mapping of str to (T, H, W) bool
        What the selective maps keep of them.
    controls : mapping of (control, explainer or "") to (T, H, W) float
        Of these control_center, which is the same in every frame, has no curve.
    effects : mapping of str to (T,) float
        As of `frame_effects`.

    Returns
    -------
    DataFrame
        measure (relevance, hidden, repeated), method (of relevance), control_of, selective, frame, value. Beside the maps'
        curves stands control_middle, nearness to the middle of the clip, since every network sees its middle best.
    """
    curves = {(RELEVANCE, name, "", False): frame_shares(own) for name, own in maps.items()}
    curves |= {
        (RELEVANCE, name, "", True): frame_shares(np.where(kept, maps[name], 0))
        for name, kept in selected.items()
    }
    curves |= {
        (RELEVANCE, name, of, False): frame_shares(own)
        for (name, of), own in controls.items()
        if name != CENTER
    }
    frames = len(next(iter(effects.values())))
    nearness = 1 + np.minimum(np.arange(frames), np.arange(frames)[::-1])
    curves[RELEVANCE, MIDDLE, "", False] = nearness / nearness.sum()
    curves |= {(name, "", "", False): values for name, values in effects.items()}
    rows = [(*key, frame, value) for key, values in curves.items() for frame, value in enumerate(values)]
    return pd.DataFrame(rows, columns=COLUMNS)
