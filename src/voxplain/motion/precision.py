"""How much of an explanation is motion, and how well explanations agree.

Hiley et al., "Explaining motion relevance for activity recognition in video deep learning models", Sections
4.3 and 5 (tables 1 to 3). The paper's figures rest on an 8-bit rendering of maps and flow that it does not
state: here what counts as relevant and as moving is explicit. All functions take one clip; shares are
fractions in [0, 1].

A flow of T - 1 fields belongs to a map of T frames: R(t) is compared with the flow from t to t + 1, and the
map's last frame is left out. Where nothing is selected a share is NaN, so that `summarize` can count it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..errors import ConfigError, VoxplainError

NAN = float("nan")
RANKING_SCORES = ("auroc", "average_precision", "precision_equal_area")


def motion_precision(
    explanation: np.ndarray,
    flow: np.ndarray,
    explanation_threshold: float = 0,
    flow_threshold: float = 0,
    *,
    empty: Literal["nan", "zero"] = "nan",
) -> float:
    """Share of relevant voxels that move (Section 4.3.1, P).

    The official precision is ``motion_precision(render_relevance(R), render_flow(flow), t, t,
    empty="zero")``.

    Parameters
    ----------
    explanation : (T, H, W) array
        Relevance, raw or rendered to 8 bits; relevant is what exceeds `explanation_threshold`.
    flow : (T or T-1, H, W, 2), or (T or T-1, H, W) array
        Displacements in pixels per frame, whose length counts; or anything that grows with motion: a
        rendering to 8 bits, or a mask. Moving is what exceeds `flow_threshold`.
    explanation_threshold, flow_threshold : float
        In the units of `explanation` and `flow`.
    empty : {"nan", "zero"}
        Precision of a clip without a relevant voxel. The official code says 0.

    Returns
    -------
    float

    Raises
    ------
    VoxplainError
        The grids differ, or a value is NaN.
    """
    relevant, moving = _masks(explanation, flow, explanation_threshold, flow_threshold)
    return _share(relevant & moving, relevant, empty=empty)


def base_rate(flow: np.ndarray, flow_threshold: float = 0) -> float:
    """Share of all voxels that move: the precision of a map that is relevant everywhere.

    Parameters are those of `motion_precision`.
    """
    return float((_strength(flow) > flow_threshold).mean())


def moving_mask(
    flow: np.ndarray, threshold: float, *, unit: Literal["rendered", "pixels"] = "pixels"
) -> np.ndarray:
    """Which voxels move.

    Parameters
    ----------
    flow : (T-1, H, W, 2) array
        Displacements in pixels per frame.
    threshold : float
        Gray levels (0 to 255) of the official rendering, or pixels per frame.
    unit : {"rendered", "pixels"}
        ``rendered``: `render_flow`, as the paper's code does; in a frame without motion, noise counts as
        motion.

    Returns
    -------
    (T-1, H, W) bool array
    """
    return speeds(flow, unit=unit) > threshold


def speeds(flow: np.ndarray, *, unit: Literal["rendered", "pixels"] = "pixels") -> np.ndarray:
    """How much voxels move, (T-1, H, W), in the unit of `moving_mask`'s threshold."""
    if unit not in ("rendered", "pixels"):
        raise ConfigError(f"Motion cannot be measured in {unit!r}. Known: rendered, pixels.")
    return render_flow(flow) if unit == "rendered" else _strength(flow)


def render_flow(flow: np.ndarray) -> np.ndarray:
    """Render flow to 8 bits as the official code does: its length, stretched frame by frame to 0..255.

    Parameters
    ----------
    flow : (T-1, H, W, 2) array

    Returns
    -------
    (T-1, H, W) uint8 array
        Truncated, not rounded; 0 in frames whose motion is the same everywhere.
    """
    return _to_bytes(_strength(flow), axis=(1, 2))


def render_relevance(relevance: np.ndarray) -> np.ndarray:
    """Render relevance to 8 bits as the official code does: stretched over the clip to 0..255.

    Parameters
    ----------
    relevance : (T, H, W) array
        If any value is negative, absolute values are rendered.

    Returns
    -------
    (T, H, W) uint8 array
        Truncated, not rounded.
    """
    relevance = _strength(relevance)
    return _to_bytes(np.abs(relevance) if relevance.min() < 0 else relevance, axis=None)


def agreement(
    a: np.ndarray,
    b: np.ndarray,
    threshold: float = 0,
    *,
    denominator: Literal["union", "first", "second", "smaller"] = "union",
) -> float:
    """Overlap of two explanations' relevant voxels (table 2).

    The paper calls it the "percentage overlap between areas of relevance" and does not say of what. The union
    is the only one of the four that agrees with the rest: table 2 gives one figure per pair, so the overlap
    is symmetric (not "first" or "second"), and table 3 is made "through the same process" on a map and its
    own selected part, where "smaller" would always be 1 and the union gives the share that is selected.

    Parameters
    ----------
    a, b : (T, H, W) arrays
        Relevance; relevant is what exceeds `threshold`.
    denominator : {"union", "first", "second", "smaller"}
        The area of which the overlap is taken.

    Returns
    -------
    float
        NaN where the denominator is empty.
    """
    a, b = _same_grid(_strength(a) > threshold, _strength(b) > threshold)
    areas = {"union": a | b, "first": a, "second": b, "smaller": a if a.sum() <= b.sum() else b}
    if denominator not in areas:
        raise ConfigError(f"Agreement cannot be taken of {denominator!r}. Known: {', '.join(areas)}.")
    return _share(a & b, areas[denominator])


def selectivity(relevance: np.ndarray, relevant: np.ndarray, kept: np.ndarray) -> tuple[float, float]:
    """Share of an explanation that its selective map keeps (Section 4.3.2, table 3).

    The paper makes table 3 "through the same process" as table 2: the area is the `agreement` of the two, which is
    the share that is kept, since what is kept is part of the whole.

    Parameters
    ----------
    relevance : (T, H, W) array
        Its size counts, wherever it is relevant.
    relevant, kept : (T, H, W) bool arrays
        What is relevant in the map, and in its selective map.

    Returns
    -------
    area_share, relevance_share : float
        Of the relevant voxels, and of their relevance. NaN where there are none.
    """
    relevance, relevant = _same_grid(np.abs(_strength(relevance)), np.asarray(relevant, bool))
    total = relevance.sum(where=relevant, dtype=np.float64)
    part = relevance.sum(where=relevant & kept, dtype=np.float64)
    return agreement(relevant, kept), float(part / total) if total else NAN


@dataclass(frozen=True)
class Ranking:
    """A map's voxels in order of their relevance; what it is asked about several targets is sorted once.

    Attributes
    ----------
    levels : (T, H, W) int array
        Number of each voxel's relevance among the different ones, from the least.
    order : (voxels,) int array
        Voxels from the least relevance to the greatest, those alike in any order.
    """

    levels: np.ndarray
    order: np.ndarray

    @classmethod
    def of(cls, relevance: np.ndarray) -> Ranking:
        """Rank a map (T, H, W)."""
        relevance = _strength(relevance)
        order = np.argsort(relevance, axis=None)
        ascending = relevance.ravel()[order]
        levels = np.zeros(relevance.size, np.int32)
        levels[order[1:]] = np.cumsum(ascending[1:] != ascending[:-1])
        return cls(levels.reshape(relevance.shape), order)

    def scores(self, truth: np.ndarray, frames: slice | np.ndarray = np.s_[:]) -> dict[str, float]:
        """How well the ranking finds a target, whatever the threshold; see `ranking_scores`.

        Parameters
        ----------
        truth : (n, H, W) bool array
        frames : slice or (n,) int array
            The frames that it belongs to.
        """
        levels, truth = _same_grid(self.levels[frames], np.asarray(truth, bool))
        n_levels = int(self.levels.max(initial=0)) + 1
        total, hits = (np.bincount(of, minlength=n_levels)[::-1] for of in (levels.ravel(), levels[truth]))
        there = total > 0
        total, hits = total[there], hits[there]
        shown, found = np.cumsum(total), np.cumsum(hits)
        positives, negatives = int(hits.sum()), int((total - hits).sum())
        if not positives or not negatives:
            return dict.fromkeys(RANKING_SCORES, NAN)
        # Of every positive, how many negatives rank below it, twice; whole numbers, so that nothing is rounded.
        below = 2 * (negatives - (shown - found)) + (total - hits)
        last = int(np.searchsorted(shown, positives))  # the level that the cut goes through
        before = found[last] - hits[last]
        rest = (positives - (shown[last] - total[last])) / total[last]
        return {
            "auroc": float((hits * below).sum() / (2 * positives * negatives)),
            "average_precision": float((hits * (found / shown)).sum() / positives),
            "precision_equal_area": float((before + rest * hits[last]) / positives),
        }

    def stratified_auroc(
        self, truth: np.ndarray, strata: np.ndarray, frames: slice | np.ndarray = np.s_[:]
    ) -> float:
        """Area under the ROC curve among voxels of the same stratum.

        Parameters
        ----------
        truth : (n, H, W) or (n,) bool array
        strata : (T, H, W) int array, 0 or more
        frames : slice or array
            The voxels that the truth belongs to.

        Returns
        -------
        float
            Of all pairs of a voxel of the target and another one in the same stratum, the share in which the target's has
            more relevance, ties counted half; .5 for whatever the strata know. NaN where there is no such pair.
        """
        inside = np.zeros(self.levels.shape, bool)
        inside[frames] = True
        positive = np.zeros(self.levels.shape, bool)
        positive[frames] = truth
        order = self.order if inside.all() else self.order[inside.ravel()[self.order]]
        # Voxels are in order of their level already: what is left is a stable sort by stratum, of few bits.
        strata = strata.ravel()[order]
        again = np.argsort(strata, kind="stable")
        order, strata = order[again], strata[again]
        levels, truth = self.levels.ravel()[order], positive.ravel()[order]
        first = np.ones(len(levels), bool)  # of voxels alike in stratum and level
        first[1:] = (levels[1:] != levels[:-1]) | (strata[1:] != strata[:-1])
        group = np.cumsum(first) - 1
        total, hits = np.bincount(group), np.bincount(group, truth).astype(np.int64)
        stratum, misses = strata[first], total - hits
        # Misses of its stratum before each group, twice, and those within it once: whole numbers.
        before = np.cumsum(misses) - misses
        starts = np.r_[True, stratum[1:] != stratum[:-1]] if len(stratum) else np.zeros(0, bool)
        before -= before[starts][np.cumsum(starts) - 1]
        pairs = np.bincount(stratum, hits) @ np.bincount(stratum, misses)
        return float((hits * (2 * before + misses)).sum() / (2 * pairs)) if pairs else NAN

    def greatest(self, n: int) -> np.ndarray:
        """The `n` voxels of the greatest relevance, (T, H, W) bool.

        Of voxels alike in relevance at the cut, those taken lie evenly spread over the clip, so that none of its
        ends is preferred.
        """
        flat = self.levels.ravel()
        at_least = np.cumsum(np.bincount(flat)[::-1])[::-1]
        chosen = np.zeros(flat.shape, bool)
        if n > 0:
            cut = int(np.flatnonzero(at_least >= n)[-1])
            chosen[flat > cut] = True
            alike = np.flatnonzero(flat == cut)
            wanted = n - int(chosen.sum())
            chosen[alike[(np.arange(wanted) * len(alike)) // wanted]] = True
        return chosen.reshape(self.levels.shape)


def strata(values: Sequence[np.ndarray], *, parts: int = 10) -> np.ndarray:
    """Voxels that are alike in several things, each cut into parts of about as many voxels.

    Parameters
    ----------
    values : sequence of (T, H, W) array
        Equal values stay together.
    parts : int

    Returns
    -------
    (T, H, W) int array : number of each voxel's stratum, less than parts to the power of how many values there are
    """
    found = np.zeros(np.shape(values[0]), np.int64)
    for one in values:
        cuts = np.quantile(one, np.arange(1, parts) / parts)
        found = parts * found + np.searchsorted(cuts, one, side="right")
    return found.astype(np.min_scalar_type(parts ** len(values)))


def ranking_scores(relevance: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """How well a map ranks the voxels of a target before others, whatever the threshold.

    Parameters
    ----------
    relevance : (T, H, W) array
    mask : (T or T-1, H, W) bool array
        The target.

    Returns
    -------
    dict
        auroc: probability that a voxel of the target has more relevance than another, ties counted half; .5 by chance.
        average_precision: precision averaged over recall, as scikit-learn defines it, voxels alike in relevance
        taken together; the base rate by chance. precision_equal_area: precision, and at once recall, of as many
        voxels of the greatest relevance as the target has (R-precision), so that all maps are compared at one
        area; voxels alike in relevance at the cut count by their share. All are NaN where the target is empty or
        everything.
    """
    ranked = Ranking.of(relevance)
    return ranked.scores(mask, slice(0, len(mask)) if len(mask) == len(relevance) - 1 else np.s_[:])


def ground_truth_scores(
    relevance: np.ndarray, mask: np.ndarray, threshold: float = 0, *, chosen: np.ndarray | None = None
) -> dict[str, float]:
    """Compare a map with the voxels that are known to matter.

    Parameters
    ----------
    relevance : (T, H, W) array
        Relevant is what exceeds `threshold`.
    mask : (T or T-1, H, W) bool array
        The truth, such as the actor's voxels or those that move.
    chosen : (T, H, W) bool array, optional
        What is relevant, where a threshold alone does not say it.

    Returns
    -------
    dict
        precision (NaN where nothing is relevant), recall and iou at the threshold, and those of `ranking_scores`.
    """
    truth = np.asarray(mask, bool)
    relevant, _ = _paired(_strength(relevance) > threshold if chosen is None else chosen, truth)
    return overlap_scores(relevant, truth) | ranking_scores(relevance, truth)


def overlap_scores(relevant: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Precision (NaN where nothing is relevant), recall and intersection over union of two (T, H, W) bool arrays."""
    hit = relevant & truth
    return {
        "precision": _share(hit, relevant),
        "recall": _share(hit, truth),
        "iou": _share(hit, relevant | truth),
    }


def summarize(
    values: Sequence[float],
    videos: Sequence[Hashable] | None = None,
    *,
    empty: Literal["nan", "zero"] = "nan",
) -> dict[str, float]:
    """Mean and standard deviation of per-clip values, with empty selections counted.

    Parameters
    ----------
    values : sequence of float
        One a clip; NaN marks an empty selection.
    videos : sequence, optional
        The video of each clip. With it, clips are averaged in their video first, and videos then count alike.
    empty : {"nan", "zero"}
        Empty selections are left out, or count as 0 as in the official code.

    Returns
    -------
    dict
        mean, sd (of the sample: NaN for one unit), n_clips and n_videos that entered (n_videos is 0 without
        `videos`), and n_empty.
    """
    values = np.asarray(values, np.float64)
    videos = None if videos is None else list(videos)
    missing = np.isnan(values)
    if counts_as_zero(empty):
        values, kept = np.where(missing, 0.0, values), np.ones(len(values), bool)
    else:
        kept = ~missing
    units = values[kept]
    if videos is not None:
        _, members = np.unique([str(v) for v, k in zip(videos, kept, strict=True) if k], return_inverse=True)
        units = np.bincount(members, weights=units) / np.bincount(members) if units.size else units
    return {
        "mean": float(units.mean()) if units.size else NAN,
        "sd": float(units.std(ddof=1)) if units.size > 1 else NAN,
        "n_clips": int(kept.sum()),
        "n_videos": 0 if videos is None else int(units.size),
        "n_empty": int(missing.sum()),
    }


def _strength(values: np.ndarray) -> np.ndarray:
    """Return (T, H, W) numbers to compare: the length of a flow's displacements, anything else as it is."""
    values = np.asarray(values)
    if values.ndim == 4 and values.shape[-1] == 2:
        values = np.hypot(values[..., 0], values[..., 1])
    if values.ndim != 3:
        raise VoxplainError(
            f"Expected one clip's (T, H, W) map or (T-1, H, W, 2) flow, not an array of {values.shape}."
        )
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise VoxplainError(
            "A map or flow holds NaN. Leave out pairs of frames that do not follow each other, and look at "
            "the explainer or flow estimator that made it."
        )
    return values


def _masks(
    explanation: np.ndarray, flow: np.ndarray, explanation_threshold: float, flow_threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return which voxels are relevant and which move, frame for frame."""
    return _paired(_strength(explanation) > explanation_threshold, _strength(flow) > flow_threshold)


def _paired(explanation: np.ndarray, moving: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leave out the map's last frame if the flow has one field less."""
    if len(explanation) == len(moving) + 1:
        explanation = explanation[:-1]
    return _same_grid(explanation, moving)


def _same_grid(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if a.shape != b.shape:
        raise VoxplainError(f"Grids {a.shape} and {b.shape} cannot be compared: give them one size.")
    return a, b


def _share(part: np.ndarray, whole: np.ndarray, *, empty: str = "nan") -> float:
    """Voxels of `part` over those of `whole`, with the stated rule for an empty `whole`."""
    nothing = 0.0 if counts_as_zero(empty) else NAN
    total = np.count_nonzero(whole)
    return np.count_nonzero(part) / total if total else nothing


def counts_as_zero(empty: str) -> bool:
    """Whether an empty selection has precision 0 (``zero``) or none (``nan``); another word is a `ConfigError`."""
    if empty not in ("nan", "zero"):
        raise ConfigError(f"Empty selections cannot be treated as {empty!r}. Known: nan, zero.")
    return empty == "zero"


def _to_bytes(values: np.ndarray, axis: tuple[int, ...] | None) -> np.ndarray:
    """Stretch to 0..255 over `axis`; constant values become 0."""
    values = np.asarray(values, np.float64)
    low = values.min(axis=axis, keepdims=True)
    extent = values.max(axis=axis, keepdims=True) - low
    stretched = np.divide(values - low, extent, out=np.zeros_like(values), where=extent > 0)
    return (255 * stretched).astype(np.uint8)
