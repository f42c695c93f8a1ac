"""Final table: every claim with chance and the best control beside it, and its verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..motion.scores import AMONG_OBJECTS
from ..statistics import adjust_p_values
from ..tables import table
from . import evidence
from .evidence import CHANCE, COMPARISON, EVIDENCE, MOTION, NETWORK, PIXELS, ROW

LEVEL = 0.05
# Claims in the order in which they are told, each with what it says.
STATEMENTS = {
    "follows_network": "on the same pixels, explanations follow what decides for their own network",
    "follows_class": "where the evidence of two classes is shown, maps for either lie on its own",
    "adding": "shown alone, the concepts ranked first keep more answers right than others",
    "removing": "hidden, the concepts ranked first take more answers away than others",
    "adding_by_score": "shown alone, the concepts that the paper's score S ranks first keep more answers right than others",
    "removing_by_score": "hidden, the concepts that the paper's score S ranks first take more answers away than others",
    "removing_direction": "removed from the layer, the directions of the concepts ranked first cost their class more than others",
    "adding_direction": "added to the layer, the directions of the concepts ranked first raise their class more than others",
    "given_concepts": "the concepts that the config gives raise the classes' logits, and more than what they are compared with",
    "concepts_on_evidence": "the concepts ranked first lie on what decides the class",
    "concepts_significant": "more concepts raise their class than by chance",
    "maps_on_evidence": "what maps call relevant lies on what decides the class",
    "maps_beyond_pixels": "among voxels alike in change, color and place, what maps call relevant lies on what decides the class",
    "maps_among_objects": "of the objects that are there, what maps call relevant lies on the one that decides the class",
    "maps_on_motion": "what maps call relevant moves",
    "selection_on_evidence": "what selection keeps lies on what decides the class more than as much of the whole map",
    "selection_on_motion": "what selection keeps moves more than as much of the whole map",
    "faithful": "hiding what is called relevant first changes the answer more than hiding anything else",
    "notices_random_head": "explanations change when the last layer is random",
}
# Claims that a control has to be beaten for; without one there is no verdict.
CONTROLLED = frozenset(STATEMENTS) - {"concepts_significant", "notices_random_head"}
# Controls without which a claim is never yes, whatever else is beaten: most that explainers fail on are these.
NEEDED = dict.fromkeys(
    ("follows_network", "maps_on_evidence", "maps_beyond_pixels", "maps_among_objects", "maps_on_motion"),
    frozenset({"control_other_class", "control_random_head"}),
)
COLUMNS = """claim statement data model layer method measure value ci_low ci_high best_control control_value difference
difference_ci_low difference_ci_high best_network_control network_control_value not_beaten n_controls p_chance p_value
p_adjusted unit n n_seeds verdict""".split()


@table(
    "claims",
    part="claims",
    title="Claims",
    meaning="Every claim of the run beside chance and the best control, with a verdict: yes only where the method beats "
    "chance and every control.",
    columns="""
    claim: its short name
    statement: what it says
    data: variant of the embedded videos, or real
    model, layer
    method: ranking of concepts, explainer, or the name of a given concept
    measure: what is measured
    value: the method's
    ci_low, ci_high
    best_control: the control with the best value, of those that know no network where there are any
    control_value: its value
    difference: value less control_value
    difference_ci_low: lower end of its 95 % interval
    difference_ci_high: upper end of its 95 % interval
    not_beaten: controls, and what chance gives, whose difference is not on the right side of 0 with its whole interval
    n_controls: controls that were compared with
    best_network_control: the control with the best value of those that know a network
    network_control_value: its value
    p_chance: p-value of the comparison with chance
    p_value: the greatest of the p-values of the comparisons with chance and with each control, all of which have to be rejected; 1 where one lies on the wrong side, since that it does is no discovery
    p_adjusted: p_value after Benjamini and Hochberg, over the table
    unit: what is independent: classes, videos, groups of videos, or units (clips or classes)
    n: how many of them
    n_seeds
    verdict: yes: chance and every control are beaten, with intervals that exclude 0 and p_adjusted at most .05; opposite: the whole interval lies on the wrong side of chance, and the p-value of that comparison, corrected over the table's comparisons with chance, is at most .05; too few: an interval or chance's p-value is missing, or there is no control; or all that is there is beaten, but of a map that of another class and that of a random head are not (relevance.controls); else no
    """,
    inputs={
        "gaps": "concept_gaps",
        "steered": "steering_gaps",
        "given": "given_summary",
        "truth": "concept_ground_truth",
        "scores": "concept_scores",
        "maps": "explanation_controls",
        "map_truth": "ground_truth_precision",
        "motion": "motion_precision",
        "selections": "selection_controls",
        "pixels": "same_pixels",
        "pixel_controls": "same_pixels_controls",
        "changed": "interventions",
        "changed_controls": "interventions_controls",
        "curves": "faithfulness",
        "curve_controls": "faithfulness_controls",
        "random": "randomization",
    },
    options={
        "rank_by": "scores.rank_by",
        "limit": "checks.limit",
        "adapter": "data.adapter",
        "options": "data.options",
    },
    optional=True,
)
def claims_table(
    gaps: pd.DataFrame | None = None,
    steered: pd.DataFrame | None = None,
    given: pd.DataFrame | None = None,
    truth: pd.DataFrame | None = None,
    scores: pd.DataFrame | None = None,
    maps: pd.DataFrame | None = None,
    map_truth: pd.DataFrame | None = None,
    motion: pd.DataFrame | None = None,
    selections: pd.DataFrame | None = None,
    pixels: pd.DataFrame | None = None,
    pixel_controls: pd.DataFrame | None = None,
    changed: pd.DataFrame | None = None,
    changed_controls: pd.DataFrame | None = None,
    curves: pd.DataFrame | None = None,
    curve_controls: pd.DataFrame | None = None,
    random: pd.DataFrame | None = None,
    *,
    rank_by: str = "effect",
    limit: float = 0.5,
    adapter: str | None = "embedded",
    options: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """What the run's final tables, each None where the run has it not, say for every claim.

    Returns
    -------
    DataFrame
        The columns of the table, a row per claim, network, layer, method and measure, in the order of `STATEMENTS`.
    """
    known = [
        table
        for table in (map_truth, None if motion is None else motion.assign(target="flow"))
        if table is not None
    ]
    intervals = pd.concat(known) if known else None
    found = [
        *evidence.same_pixels(pixels, pixel_controls),
        *evidence.follows_class(changed, changed_controls),
        *evidence.editing(gaps, rank_by=rank_by),
        *evidence.steering(steered, rank_by=rank_by),
        *evidence.given_concepts(given),
        *evidence.concepts_on_evidence(truth, rank_by=rank_by),
        *evidence.significant_concepts(scores, rank_by=rank_by),
        *evidence.maps_on_target(maps, intervals, claim="maps_on_evidence", targets=EVIDENCE),
        *evidence.maps_on_target(
            maps, intervals, claim="maps_beyond_pixels", targets=EVIDENCE, measure="stratified_auroc"
        ),
        *evidence.maps_on_target(maps, intervals, claim="maps_among_objects", targets=[AMONG_OBJECTS]),
        *evidence.maps_on_target(maps, intervals, claim="maps_on_motion", targets=MOTION),
        *evidence.selection(selections, intervals, claim="selection_on_evidence", targets=EVIDENCE),
        *evidence.selection(selections, intervals, claim="selection_on_motion", targets=MOTION),
        *evidence.faithfulness(curves, curve_controls),
        *evidence.randomization(random, limit=limit),
    ]
    data = (options or {}).get("variant", "standard") if adapter in ("embedded", None) else "real"
    return judge(pd.DataFrame(found, columns=COMPARISON)).assign(data=data)[COLUMNS]


def judge(comparisons: pd.DataFrame) -> pd.DataFrame:
    """One row per claim, network, layer, method and measure, from its comparisons with chance and controls.

    Parameters
    ----------
    comparisons : DataFrame
        The columns of `voxplain.claims.evidence.COMPARISON`; sign is 1 where a greater value speaks for the claim, -1
        where a smaller one does.

    Returns
    -------
    DataFrame
        All columns of the table but data.
    """
    rows = [
        dict(zip(ROW, key, strict=True)) | _row(group)
        for key, group in comparisons.groupby(ROW, sort=False, dropna=False)
    ]
    columns = [name for name in COLUMNS if name != "data"]
    found = pd.DataFrame(rows, columns=[*dict.fromkeys([*columns, "_beaten", "_wrong", "_lacks"])])
    found["p_adjusted"] = adjust_p_values(found["p_value"].astype(float))
    found["statement"] = found["claim"].map(STATEMENTS)
    beaten = (found["_beaten"] == True) & (found["p_adjusted"] <= LEVEL)  # noqa: E712
    wrong = (found["_wrong"] == True) & (adjust_p_values(found["p_chance"].astype(float)) <= LEVEL)  # noqa: E712
    found["verdict"] = np.select(
        [(found["verdict"] == "too few") | (beaten & found["_lacks"]), beaten, wrong],
        ["too few", "yes", "opposite"],
        "no",
    )
    order = found["claim"].map({name: place for place, name in enumerate(STATEMENTS)})
    return found.assign(order=order).sort_values("order", kind="stable", ignore_index=True)[columns]


def _row(group: pd.DataFrame) -> dict[str, Any]:
    """What the comparisons of one method and measure come to, but for what hangs on the whole table."""
    sign = group["sign"].to_numpy()
    ends = np.stack([group["difference_ci_low"] * sign, group["difference_ci_high"] * sign]).astype(float)
    low, high = ends.min(axis=0), ends.max(axis=0)  # NaN stays NaN
    low, high = np.where(np.isnan(ends).any(axis=0), np.nan, [low, high])
    chance = (group["kind"] == CHANCE).to_numpy()
    controls = group[~chance]
    free = controls[controls["kind"] == PIXELS]
    best, knowing = _best(free if len(free) else controls), _best(controls[controls["kind"] == NETWORK])
    claim, p_values = group["claim"].iloc[0], group["p_value"].astype(float)
    # Concepts have no map of their own for another class or head.
    needed = (
        frozenset() if group["method"].iloc[0].startswith("concepts_") else NEEDED.get(claim, frozenset())
    )
    # A control that does as well is not beaten, however sure that is.
    unsure = np.isnan(low) & (chance | ~((group["difference"] * sign).astype(float) <= 0).to_numpy())
    few = unsure.any() or not chance.any() or (claim in CONTROLLED and controls.empty)
    few = few or p_values[chance].isna().any()
    unbeaten = [
        name or "chance" for name, beaten in zip(group["control"], low > 0, strict=True) if not beaten
    ]
    first = group.iloc[0]
    nothing = {"control": "", "control_value": np.nan, "difference": np.nan} | {
        f"difference_ci_{end}": np.nan for end in ("low", "high")
    }
    shown = nothing if best is None else best
    return {
        **{name: first[name] for name in ("value", "ci_low", "ci_high", "unit", "n", "n_seeds")},
        "best_control": shown["control"],
        **{name: shown[name] for name in list(nothing)[1:]},
        "best_network_control": "" if knowing is None else knowing["control"],
        "network_control_value": np.nan if knowing is None else knowing["control_value"],
        "not_beaten": ", ".join(unbeaten),
        "n_controls": len(controls),
        "p_chance": p_values[chance].max(),
        "p_value": p_values.mask(
            (group["difference"] * sign).astype(float) < 0, 1.0
        ).max(),  # of those that there are
        "_beaten": not unbeaten,
        "_wrong": bool(chance.any() and (high[chance] < 0).all()),
        "_lacks": not needed <= set(controls["control"]),
        "verdict": "too few" if few else "",
    }


def _best(controls: pd.DataFrame) -> pd.Series | None:
    """The control with the best value, of those that have one."""
    known = controls.dropna(subset="control_value")
    return known.loc[(known["control_value"] * known["sign"]).astype(float).idxmax()] if len(known) else None
