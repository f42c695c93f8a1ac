"""Supervoxels of a video and the distinct ones among them (3D-ACE, section 2.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, PositiveInt, ValidationError
from pydantic.dataclasses import dataclass

from .errors import ConfigError, VoxplainError, nearest
from .segmenters import SEGMENTERS

Fraction = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Criteria:
    """When a supervoxel is kept. The defaults are the preset ``corrected``.

    Attributes
    ----------
    min_volume : float
        A kept supervoxel fills more than this share of the reference volume.
    volume_of : {"clip", "span"}
        Reference volume: the whole clip, or only the frames that the supervoxel lasts. With ``span`` a
        short supervoxel passes at a smaller true size than a long one.
    min_duration : float
        Least duration, as a fraction of the clip's frames.
    min_frames : int
        Least duration, in frames.
    duration_first : bool
        Whether too short supervoxels are dropped before near-duplicates are looked for. If not, a
        finer supervoxel can lose to a coarser one that is then dropped itself, so that neither stays.
    max_overlap : float
        A supervoxel with a greater Jaccard index to any kept one of a coarser level is a near-duplicate
        and dropped. Supervoxels of one level are disjoint and need no comparison.
    alignment : {"clock", "center"}
        How two supervoxels are laid over each other in time: where they are, or the middle frame of one on
        that of the other, with the longer one cut to the frames of the shorter.
    """

    min_volume: Fraction = 0.001
    volume_of: Literal["clip", "span"] = "clip"
    min_duration: Fraction = 0.25
    min_frames: PositiveInt = 1
    duration_first: bool = True
    max_overlap: Fraction = 0.5
    alignment: Literal["clock", "center"] = "clock"


PRESETS = {
    "official": Criteria(
        volume_of="span", min_duration=0.0, min_frames=16, duration_first=False, alignment="center"
    ),
    "corrected": Criteria(),
}


def segment_supervoxels(
    video: np.ndarray,
    n_segments: tuple[int, ...] = (15, 50, 80),
    compactness: float = 20.0,
    sigma: float = 1.0,
    *,
    method: str = "slic",
    options: Mapping[str, Any] | None = None,
) -> np.ndarray:
    """Segment a video at several resolutions (3D-ACE, section 2.1).

    Parameters
    ----------
    video : (T, H, W, 3) uint8
    n_segments : sequence of int
        Approximate number of supervoxels of each level, coarse levels first.
    compactness, sigma
        Of the segmenter ``slic`` alone; see :func:`voxplain.segmenters.slic.slic`.
    method : str
        Name in the registry of segmenters.
    options : mapping, optional
        Other options of the segmenter.

    Returns
    -------
    (levels, T, H, W) uint16 : labels from 1, coarse levels first

    Raises
    ------
    ConfigError
        The segmenter or an option is unknown, or a value impossible.
    VoxplainError
        The video has another shape or type, or a level has more supervoxels than labels can count.
    """
    if video.ndim != 4 or video.shape[-1] != 3 or video.dtype != np.uint8 or not video.size:
        raise VoxplainError(
            f"A video to segment must be uint8 of shape (T, H, W, 3), not {video.dtype} of shape "
            f"{video.shape}. Convert it first."
        )
    given = segmenter_options(method, n_segments, compactness, sigma, options)
    labels = np.asarray(SEGMENTERS[method].function(video, **given))
    if (
        labels.shape != (len(n_segments), *video.shape[:3])
        or labels.dtype.kind not in "iu"
        or labels.min() < 0
    ):
        raise VoxplainError(
            f"The segmenter {method!r} must return whole numbers from 0 on, of shape "
            f"{(len(n_segments), *video.shape[:3])}, not {labels.dtype} of shape {labels.shape}. Correct its code."
        )
    if labels.max() > np.iinfo(np.uint16).max:
        raise VoxplainError(f"{labels.max()} supervoxels in one level are more than 65535. Lower n_segments.")
    return labels.astype(np.uint16)


def segmenter_options(
    method: str,
    n_segments: Sequence[int],
    compactness: float = 20.0,
    sigma: float = 1.0,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """All options of a segmenter with their defaults; parameters and errors as for `segment_supervoxels`."""
    own = {"compactness": compactness, "sigma": sigma} if method == "slic" else {}
    higher = {"n_segments": n_segments, **own}
    for key in options or {}:
        if key in higher:
            raise ConfigError(
                f"Segmenter {method!r}: write {key!r} one level higher, beside the segmenter's options."
            )
    return SEGMENTERS[method].options({**higher, **(options or {})})


def distinct_supervoxels(labels: np.ndarray, preset: str = "corrected", **changes) -> np.ndarray:
    """Choose the supervoxels that are large and long enough and no near-duplicates of coarser ones.

    Parameters
    ----------
    labels : (levels, T, H, W) unsigned int
        Supervoxels of each level, coarse levels first. Label 0 is no supervoxel; labels may be missing.
    preset : {"corrected", "official"}
        ``official`` is what 3D-ACE's released code computes: with clips shorter than 16 frames it keeps
        nothing.
    **changes
        Fields of :class:`Criteria` that differ from the preset.

    Returns
    -------
    (n, 2) int : (level, label), by level, then label

    Raises
    ------
    ConfigError
        The preset or a field is unknown, or a value impossible.
    VoxplainError
        The labels have another shape or type.
    """
    criteria = choose_criteria(preset, **changes)
    if labels.ndim != 4 or not np.can_cast(labels.dtype, np.uint32):
        raise VoxplainError(
            f"Labels must be uint16 of shape (levels, T, H, W), not {labels.dtype} of shape {labels.shape}. "
            "Take them from segment_supervoxels."
        )
    levels = [_Level(level) for level in labels]
    unique: list[np.ndarray] = []
    for level in levels:
        candidates = level.large_enough(criteria)
        if criteria.duration_first:
            candidates &= level.long_enough(criteria)
        for coarser, seen in zip(levels, unique):
            pairs = seen[:, None] & candidates
            candidates &= ~(_jaccard(coarser, level, pairs, criteria) > criteria.max_overlap).any(axis=0)
        unique.append(candidates)
    kept = [np.flatnonzero(ok & level.long_enough(criteria)) for ok, level in zip(unique, levels)]
    return np.array([(i, label) for i, found in enumerate(kept) for label in found], dtype=int).reshape(-1, 2)


def choose_criteria(preset: str, **changes) -> Criteria:
    """Criteria of a preset with some fields changed; ConfigError where that is impossible."""
    if preset not in PRESETS:
        raise ConfigError(
            f"No supervoxel preset is called {preset!r}{nearest(preset, PRESETS)} "
            f"Known: {', '.join(PRESETS)}."
        )
    known = [field.name for field in fields(Criteria)]
    for key in changes:
        if key not in known:
            raise ConfigError(
                f"Supervoxels have no criterion {key!r}{nearest(key, known)} Known: {', '.join(known)}."
            )
    try:
        return replace(PRESETS[preset], **changes)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(
            f"Supervoxel criterion {first['loc'][0]!r} cannot be {first['input']!r}: {first['msg']}."
        ) from None


class _Level:
    """One level's labels with the volume and time span of each supervoxel, indexed by label."""

    def __init__(self, labels: np.ndarray) -> None:
        self.labels = labels
        self.size = int(labels.max(initial=0)) + 1
        frames = len(labels)
        code = labels + np.arange(frames, dtype=np.int64)[:, None, None] * self.size
        area = np.bincount(code.ravel(), minlength=frames * self.size).reshape(frames, self.size)
        self.volume_before = np.concatenate([np.zeros((1, self.size), int), area.cumsum(axis=0)])
        self.volume = self.volume_before[-1].copy()
        self.volume[0] = 0
        self.start = (area > 0).argmax(axis=0)
        self.duration = frames - (area[::-1] > 0).argmax(axis=0) - self.start

    def large_enough(self, criteria: Criteria) -> np.ndarray:
        frames, height, width = self.labels.shape
        lasting = frames if criteria.volume_of == "clip" else self.duration
        return self.volume / (lasting * height * width) > criteria.min_volume

    def long_enough(self, criteria: Criteria) -> np.ndarray:
        share = self.duration / len(self.labels)
        return (share >= criteria.min_duration) & (self.duration >= criteria.min_frames)

    def volume_within(self, start: np.ndarray, duration: np.ndarray) -> np.ndarray:
        """Volume of each supervoxel (last axis) in a window of frames."""
        label = np.arange(self.size)
        return self.volume_before[start + duration, label] - self.volume_before[start, label]


def _jaccard(coarse: _Level, fine: _Level, pairs: np.ndarray, criteria: Criteria) -> np.ndarray:
    """Jaccard index of wanted pairs (coarse label, fine label); 0 for those that cannot pass the limit.

    Two sets overlap no more than the smaller one's share of the larger, so most pairs need no counting.
    The others come from one cross-tabulation of both label volumes per shift in time.
    """
    if criteria.alignment == "clock":
        shift = np.zeros(pairs.shape, dtype=int)
        volumes = coarse.volume[:, None], fine.volume
    else:
        shift, volumes = _centered(coarse, fine)
    larger, smaller = np.maximum(*volumes), np.minimum(*volumes)
    pairs = pairs & (smaller >= criteria.max_overlap * larger)
    jaccard = np.zeros(pairs.shape)
    for frames in np.unique(shift[pairs]):
        here = pairs & (shift == frames)
        shared = _shared_voxels(coarse, fine, frames)[here]
        jaccard[here] = shared / (larger[here] + smaller[here] - shared)
    return jaccard


def _centered(coarse: _Level, fine: _Level) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Shift in frames from fine to coarse that centers each pair, and both volumes in the common frames."""
    excess = coarse.duration[:, None] - fine.duration
    skip_coarse, skip_fine = np.maximum(excess, 0) // 2, np.maximum(-excess, 0) // 2
    start_coarse, start_fine = coarse.start[:, None] + skip_coarse, fine.start + skip_fine
    common = np.minimum(coarse.duration[:, None], fine.duration)
    volumes = coarse.volume_within(start_coarse.T, common.T).T, fine.volume_within(start_fine, common)
    return start_coarse - start_fine, volumes


def _shared_voxels(coarse: _Level, fine: _Level, shift: int) -> np.ndarray:
    """Count voxels by (coarse label, fine label), frame t of fine lying over frame t + shift of coarse."""
    frames = len(fine.labels) - abs(shift)
    above, below = max(shift, 0), max(-shift, 0)
    code = coarse.labels[above : above + frames].astype(np.int64) * fine.size
    code += fine.labels[below : below + frames]
    return np.bincount(code.ravel(), minlength=coarse.size * fine.size).reshape(coarse.size, fine.size)
