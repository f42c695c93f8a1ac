"""Whether explanations follow the network, where two networks see the same pixels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from ...concepts.controls import CONTROLS
from ...editing import reverse_of
from ...motion.controls import is_control
from ...motion.scores import AMONG_OBJECTS
from ...motion.tables import per_video
from ...statistics import adjust_p_values, mean_interval, mean_p_value
from ...tables import Figure, table

MAP = ["model", "layer", "method", "control_of", "selective", "measure"]
PLACE = ["model", "seed", "method", "control_of", "selective", "video", "clip"]
OF_CLASS = ["model", "seed", "layer", "class"]
TOPS = (1, 3)  # so many concepts
FIRST, ALL_CONCEPTS = "concepts_top_", "concepts_all"
INPUTS = {
    "scores": "ground_truth_scores",
    "others": "other_ground_truth_scores",
    "concepts": "matched_concepts",
    "other_concepts": "other_matched_concepts",
    "controls": "concept_controls",
    "other_controls": "other_concept_controls",
}
FOUND = "difference ci_low ci_high p_value p_adjusted unit n_videos n_classes n_seeds".split()


@table(
    "same_pixels",
    part="checks",
    title="Same pixels, two networks",
    meaning="Two networks see the same videos of two actors, and each was trained on what another actor does. How much "
    "more of an explanation lies on the actor that decides for its own network than on the one that decides for the "
    "other: for whatever looks at pixels alone, exactly 0.",
    columns="""
    model
    layer: of concepts
    method: explainer, or what it must beat; concepts_top_1, concepts_top_3, concepts_all: voxels of the members of the concepts that matter most
    control_of: method that a control belongs to; empty for controls that know no network
    selective
    measure: share of the positive relevance (of concepts: of the members' voxels), or auroc of the one actor's voxels against the other's
    own: on the actor that decides for the network, mean of both networks
    other: on the other actor
    difference: own less other
    ci_low, ci_high
    p_value: that the difference is 0
    p_adjusted: p_value, corrected for all rows
    unit: what is independent: video, or class for concepts
    n_videos: videos, or for concepts none
    n_classes, n_seeds
    """,
    inputs=INPUTS,
    needs=["ground_truth", "same_videos"],
    figure=Figure("same_pixels_figure", {"table": "same_pixels"}),
)
def same_pixels_table(
    scores: pd.DataFrame,
    others: pd.DataFrame,
    concepts: pd.DataFrame | None = None,
    other_concepts: pd.DataFrame | None = None,
    controls: pd.DataFrame | None = None,
    other_controls: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Evidence for a network's own cause less that for the other network's, on the same pixels.

    With M(a) what an explanation of network M has on actor a, and networks 1 and 2 whose classes follow actors 1 and
    2: own = (M1(1) + M2(2)) / 2, other = (M1(2) + M2(1)) / 2. What does not hang on the network cancels.

    Parameters
    ----------
    scores, others : DataFrame
        model, seed, method, control_of, selective, target, video, class, clip, relevance_on_target, auroc of either
        run. The targets are evidence, distractor, and evidence_among_objects, whose AUROC is of the one's voxels
        against the other's.
    concepts, other_concepts : DataFrame, optional
        model, seed, layer, variant, class, concept, rank, evidence, distractor (shares) of either run.
    controls, other_controls : DataFrame, optional
        model, seed, layer, class, concept and columns of `voxplain.concepts.controls.CONTROLS`: what else may rank
        them, the greatest first.

    Returns
    -------
    DataFrame
        The columns of the table. Intervals (95 %, `mean_interval`) and p-values (`mean_p_value`) are over the videos,
        of concepts over classes, that both runs have, crossed with training seeds. With one seed they are of these
        two networks alone.
    """
    rows = [
        _row(key, group)
        for both in _both(scores, others, concepts, other_concepts, controls, other_controls)
        for key, group in both.groupby(MAP, sort=False)
    ]
    return _adjusted(rows, [*MAP, "own", "other", *FOUND])


@table(
    "same_pixels_controls",
    part="checks",
    title="Same pixels, two networks, beside each control",
    meaning="What an explanation follows its network by beyond each control: the norm of the same network's activation "
    "and its map for another class or with a random head, which follow the network as well, and what looks at pixels alone; "
    "of concepts, other orders of the same concepts.",
    columns="""
    model
    layer: of concepts
    method: as in same_pixels, whole maps only
    measure: as in same_pixels
    control: as the methods of same_pixels; of the first concepts also concepts_all
    difference: the method's difference of same_pixels less the control's, mean over the same videos, of concepts over classes, and seeds
    ci_low, ci_high
    p_value: that the difference is 0
    p_adjusted: p_value, corrected for all rows
    unit: what is independent: video, or class for concepts
    n_videos: videos, or for concepts none
    n_classes, n_seeds
    """,
    inputs=INPUTS,
    needs=["ground_truth", "same_videos"],
)
def same_pixels_controls_table(
    scores: pd.DataFrame,
    others: pd.DataFrame,
    concepts: pd.DataFrame | None = None,
    other_concepts: pd.DataFrame | None = None,
    controls: pd.DataFrame | None = None,
    other_controls: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Paired differences of the differences in `same_pixels_table` from those of each control.

    Parameters as there.

    Returns
    -------
    DataFrame
        The columns of the table. Intervals and p-values as there.
    """
    place = ["model", "layer", "measure"]
    rows = [
        dict(zip(place, key, strict=True)) | row
        for both in _both(scores, others, concepts, other_concepts, controls, other_controls)
        for key, group in both[~both["selective"].astype(bool)].groupby(place, sort=False)
        for row in _beside_controls(dict(list(group.groupby(["method", "control_of"], sort=False))))
    ]
    return _adjusted(rows, ["model", "layer", "method", "measure", "control", *FOUND])


def _beside_controls(orders: dict[tuple[str, str], pd.DataFrame]) -> Iterator[dict]:
    """Every method beside its own controls and those of all; by (method, control_of)."""
    for (method, of), own in orders.items():
        if of or is_control(method):
            continue
        for (control, its), values in orders.items():
            of_all = its == "" and is_control(control)
            if its == method or of_all or (control == ALL_CONCEPTS and method.startswith(FIRST)):
                yield {"method": method, "control": control} | _beyond(own, values)


def _adjusted(rows: list[dict], columns: list[str]) -> pd.DataFrame:
    found = pd.DataFrame(rows, columns=columns)
    return found.assign(p_adjusted=adjust_p_values(found["p_value"]))


def _both(
    scores: pd.DataFrame, others: pd.DataFrame, concepts: pd.DataFrame | None, other_concepts: pd.DataFrame | None,
    controls: pd.DataFrame | None, other_controls: pd.DataFrame | None,
) -> Iterator[pd.DataFrame]:  # fmt: skip
    """Own, other and difference of whatever both runs have: maps by video and clip, then concepts by class."""
    yield _joined(_sides(scores), _sides(others), [*PLACE, "layer", "measure"]).assign(unit="video")
    if concepts is not None and other_concepts is not None:
        sides = _tops(concepts, controls), _tops(other_concepts, other_controls)
        both = _joined(*sides, [*MAP, "seed", "class"])
        yield both.assign(unit="class", video=both["class"])


def _beyond(own: pd.DataFrame, control: pd.DataFrame) -> dict:
    """Interval of a method's difference less a control's, of the videos or classes that both have."""
    keys = ["seed", "video", *(["clip"] if "clip" in own else [])]
    joined = own.dropna(subset="difference").merge(
        control[[*keys, "difference"]].dropna(), on=keys, suffixes=("", "_control")
    )
    # Rounded like what it is made of, so that what cancels is 0.
    joined = joined.assign(difference=(joined["difference"] - joined["difference_control"]).round(12))
    return _interval(joined)


def _sides(scores: pd.DataFrame) -> pd.DataFrame:
    """What a map has on its network's own actor and on the other one, by measure."""
    by_target = {target: rows.set_index(PLACE) for target, rows in scores.groupby("target")}
    own, other, both = (by_target[target] for target in ("evidence", "distractor", AMONG_OBJECTS))
    measures = {
        "share": {"own": own["relevance_on_target"], "other": other["relevance_on_target"]},
        "auroc": {"own": both["auroc"], "other": 1 - both["auroc"]},
    }
    parts = [
        pd.DataFrame(sides).reset_index().assign(measure=name, layer="") for name, sides in measures.items()
    ]
    return pd.concat(parts, ignore_index=True).merge(own["class"].reset_index(), on=PLACE)


def _tops(concepts: pd.DataFrame, controls: pd.DataFrame | None) -> pd.DataFrame:
    """What the first concepts show by the run's own order and by the controls', by network, seed, layer and class."""
    concepts = concepts[concepts["variant"] == "run"]
    orders = {"": "rank"}
    if controls is not None:
        concepts = concepts.merge(controls, on=[*OF_CLASS, "concept"])
        orders |= {f"control_{name}": name for name in CONTROLS}
        orders |= {reverse_of(control): order for control, order in orders.items() if control}
    parts = []
    for control, order in orders.items():
        upwards = control == "" or control.endswith("_least")
        place = concepts.groupby(OF_CLASS)[order].rank(ascending=upwards, method="first")
        for most in TOPS:
            name = f"{FIRST}{most}"
            names = {"method": control or name, "control_of": name if control else ""}
            parts.append(concepts[place <= most].assign(**names))
    parts.append(concepts.assign(method=ALL_CONCEPTS, control_of=""))
    found = pd.concat(parts).groupby([*OF_CLASS, "method", "control_of"], as_index=False, sort=False)
    shares = found[["evidence", "distractor"]].mean()
    shares = shares.rename(columns={"evidence": "own", "distractor": "other"})
    return shares.assign(selective=False, measure="share")


def _joined(mine: pd.DataFrame, theirs: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Means of both networks, of what both have; rounded, so that what cancels is 0."""
    both = mine.merge(theirs, on=keys, suffixes=("", "_there"))
    own, other = ((both[side] + both[f"{side}_there"]) / 2 for side in ("own", "other"))
    return both.assign(own=own, other=other, difference=(own - other).round(12))


def _row(key: tuple, group: pd.DataFrame) -> dict:
    known = group.dropna(subset=["own", "other"])
    return {
        **dict(zip(MAP, key, strict=True)),
        **{name: per_video(known, name).mean() for name in ("own", "other")},
        **_interval(known),
    }


def _interval(known: pd.DataFrame) -> dict:
    """Mean difference over units and seeds, with its interval and what it is of."""
    differences = per_video(known, "difference")
    low, high = mean_interval(differences)
    unit = known["unit"].iloc[0] if len(known) else "video"
    return {
        "difference": differences.mean() if differences.size else np.nan,
        "ci_low": low,
        "ci_high": high,
        "p_value": mean_p_value(differences),
        "unit": unit,
        "n_videos": differences.shape[1] if unit == "video" else 0,
        "n_classes": known["class"].nunique(),
        "n_seeds": len(differences),
    }
