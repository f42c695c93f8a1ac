"""What the tables are made of: every clip's scores, one row per map.

Hiley et al., "Explaining motion relevance for activity recognition in video deep learning models", Sections
4.3 and 5, and the same against ground truth, which the paper did not have. All functions take one clip. Maps
are at most 1 in size, as `voxplain.explanation_store.scaled_maps` gives them.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any, Literal

import numpy as np

from ..errors import ConfigError
from .controls import Controls, selection_controls
from .precision import (
    RANKING_SCORES,
    Ranking,
    agreement,
    base_rate,
    overlap_scores,
    render_relevance,
    selectivity,
    strata,
)

NAN = float("nan")
UNITS = ("share", "rendered", "official")
# What voxels are alike in that count as alike, and the targets that are looked for among them.
ALIKE = tuple(f"control_{name}" for name in ("frame_difference", "saturation", "center"))
DECIDING = ("evidence", "actor")
AMONG_OBJECTS = "evidence_among_objects"  # the target evidence, but asked of the objects' voxels alone


def strength(relevance: np.ndarray, unit: str) -> np.ndarray:
    """What of a map's relevance counts, in every table alike: positive relevance, negative being none.

    For ``rendered`` and ``official`` it is the size of the relevance, since the authors' code renders absolute values
    as soon as a map has a negative one.
    """
    return np.maximum(relevance, 0) if unit == "share" else np.abs(relevance)


def relevant_voxels(
    relevance: np.ndarray,
    selected: np.ndarray | None = None,
    *,
    unit: Literal["share", "rendered", "official"] = "share",
    threshold: float = 0.05,
) -> np.ndarray:
    """Which voxels of a map, or of its selective map, are relevant: the one definition behind tables 1 to 3.

    Parameters
    ----------
    relevance : (T, H, W) array
        The whole map.
    selected : (T, H, W) bool array, optional
        What its selective map keeps.
    unit : {"share", "rendered", "official"}
        Of `threshold`. ``share``: of the largest relevance; only positive relevance counts. ``rendered``: gray levels
        (0 to 255) of the official rendering, where of a map with negative values the absolute ones count. In
        both, a selective map is measured by the whole map, so that selecting can only take voxels away.
        ``official``: as rendered, but as the authors' code does it: a selective map is rendered by itself, and
        what was too faint to be relevant may become so.
    threshold : float
        A voxel with more is relevant.

    Returns
    -------
    (T, H, W) bool array
    """
    if unit not in UNITS:
        raise ConfigError(f"Relevance cannot be measured in {unit!r}. Known: {', '.join(UNITS)}.")
    if unit == "official":
        return render_relevance(relevance if selected is None else relevance * selected) > threshold
    if unit == "rendered":
        relevant = render_relevance(relevance) > threshold
    else:
        relevant = relevance > threshold * max(relevance.max(), 0)
    return relevant if selected is None else relevant & selected


def score_clip(
    maps: Mapping[str, np.ndarray],
    masks: Mapping[str, np.ndarray],
    moving: np.ndarray,
    truth: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    pairs: np.ndarray,
    relevant: Mapping[str, Any],
    controls: Controls | None = None,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Score every map, its selective counterpart and their controls against motion and what is known to matter.

    Parameters
    ----------
    maps : mapping of str to (T, H, W) array
        Relevance by method.
    masks : mapping of str to (T, H, W) bool array
        What the selective map keeps, by method.
    moving : (T-1, H, W) bool array
        Which voxels move on their way to the next frame, by the estimated flow.
    truth : mapping of str to (mask, known)
        Voxels that are known to matter, by what they are, and those of which that is known: (T, H, W) bool each.
        ``moving`` is what moves by the exact flow. See `voxplain.motion.truth.truth_masks`.
    pairs : (T-1,) bool array
        Which frames are followed by the next one of the video; the others have no motion and are left out
        wherever motion counts.
    relevant : mapping
        unit and threshold of `relevant_voxels`.
    controls : dict of (name, method) to (T, H, W) array, optional
        More maps to score: controls, and the method that each belongs to (or ""). Those of the selection
        (`voxplain.motion.controls.selection_controls`) are added here.

    Returns
    -------
    scores : list of dict
        method, control_of, selective, precision, base_rate, precision_exact and base_rate_exact (by the exact flow),
        the scores of `ranking_scores` (of `strength`) for what moves by the estimated flow, and of selective maps area_share and
        relevance_share. Controls of a selection are selective too.
    found : list of dict
        method, control_of, selective, target, share (of voxels, the base rate), relevance_on_target (share of the
        positive relevance), pointing (1 where the voxel of the greatest relevance lies on the target, else 0; of several
        alike, their share), the scores of `ground_truth_scores`, and of whole maps stratified_auroc: that of the evidence among
        voxels alike in how much they change, in saturation and in distance from the center (tenths of each). Where evidence and distractor are targets, also
        evidence_among_objects: the evidence within the voxels of both.
    """
    scores, found = [], []
    targets = {
        target: (mask, np.s_[:]) if known.all() else (mask[known], known)
        for target, (mask, known) in truth.items()
    }
    if {"evidence", "distractor"} <= truth.keys():
        evidence, known = truth["evidence"]
        objects = (evidence | truth["distractor"][0]) & known
        targets[AMONG_OBJECTS] = evidence[objects], objects
    flow = moving[pairs]
    known = {"base_rate": base_rate(flow) if len(flow) else NAN, "base_rate_exact": NAN}
    shares = {target: float(mask.mean()) if mask.size else NAN for target, (mask, _) in targets.items()}
    known["base_rate_exact"] = shares.get("moving", NAN)
    of_pixels = [values for (name, _), values in (controls or {}).items() if name in ALIKE]
    alike = strata(of_pixels) if len(of_pixels) == len(ALIKE) and set(DECIDING) & targets.keys() else None
    for row, relevance, ranked, chosen, kept in _entries(maps, masks, controls or {}, relevant):
        by_target, positive = {}, np.maximum(relevance, 0)
        for target, (mask, within) in targets.items():
            by_target[target] = _against(ranked, chosen, mask, within)
            on_target = _on_target(positive[within], mask)
            values = {"share": shares[target], "relevance_on_target": on_target, **by_target[target]}
            values["pointing"] = _pointing(positive[within], mask)
            asked = alike is not None and target in DECIDING and not row["selective"]
            values["stratified_auroc"] = ranked.stratified_auroc(mask, alike, within) if asked else NAN
            found.append({**row, "target": target, **values})
        estimated = _against(ranked, chosen, flow, np.flatnonzero(pairs))
        exact = by_target.get("moving", {"precision": NAN})["precision"]
        estimated = {name: estimated[name] for name in ("precision", *RANKING_SCORES)}
        scores.append({**row, **known, **estimated, "precision_exact": exact, **kept})
    return scores, found


def _entries(maps, masks, controls, relevant):
    """Rows to score: their keys, map, ranking, what is relevant, and what a selection keeps."""
    changes = controls.get(("control_frame_difference", ""))
    for method, relevance in maps.items():
        relevance, selected = strength(relevance, relevant["unit"]), masks[method]
        ranked = Ranking.of(relevance)
        whole, chosen = (
            relevant_voxels(relevance, **relevant),
            relevant_voxels(relevance, selected, **relevant),
        )
        row = {"method": method, "control_of": "", "selective": False}
        yield row, relevance, ranked, whole, {}
        area, share = selectivity(relevance, whole, chosen)
        kept = {"area_share": area, "relevance_share": share}
        shown = relevance * selected
        yield row | {"selective": True}, shown, Ranking.of(shown), chosen, kept
        others = selection_controls(relevance, ranked, whole, selected, chosen, changes)
        for name, (some, marked) in others.items():
            row = {"method": name, "control_of": method, "selective": True}
            shown = relevance * some
            yield row, shown, Ranking.of(shown), marked, {}
    for (name, method), relevance in controls.items():
        relevance = strength(relevance, relevant["unit"])
        row = {"method": name, "control_of": method, "selective": False}
        yield row, relevance, Ranking.of(relevance), relevant_voxels(relevance, **relevant), {}


def _against(ranked, chosen, mask, within) -> dict[str, float]:
    """Scores of the relevant voxels and of the ranking for one target; NaN where no frame has it."""
    if not mask.size:
        return dict.fromkeys(("precision", "recall", "iou", *RANKING_SCORES), NAN)
    return overlap_scores(chosen[within], mask) | ranked.scores(mask, within)


def _on_target(positive: np.ndarray, mask: np.ndarray) -> float:
    """Share of the positive relevance that lies on the target; NaN where there is none."""
    total = positive.sum(dtype=float)
    return float(positive[mask].sum(dtype=float) / total) if total > 0 else NAN


def _pointing(positive: np.ndarray, mask: np.ndarray) -> float:
    """Share of the voxels of the greatest relevance that lies on the target; NaN where there is none."""
    greatest = positive.max(initial=0)
    return float(mask[positive == greatest].mean()) if greatest > 0 else NAN


def agreements(maps: Mapping[str, np.ndarray], *, relevant: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Overlap of what each two methods find relevant (table 2).

    Parameters are those of `score_clip`.

    Returns
    -------
    list of dict
        method_a, method_b, agreement: one row per pair, in the order of `maps`.
    """
    chosen = {method: relevant_voxels(relevance, **relevant) for method, relevance in maps.items()}
    return [
        {"method_a": a, "method_b": b, "agreement": agreement(chosen[a], chosen[b])}
        for a, b in combinations(maps, 2)
    ]
