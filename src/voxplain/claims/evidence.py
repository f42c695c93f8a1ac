"""What the final tables say for and against each claim: one row per comparison of a method with something else.

Each function takes one final table, None where the run has it not, and gives comparisons as `COMPARISON` has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..motion.controls import is_control, knows_network
from ..statistics import mean_interval, mean_p_value

CHANCE = "chance"  # kinds of what a method is compared with
PIXELS = "pixels"  # a control that knows no network
NETWORK = "network"  # a control that knows it
ROW = ["claim", "model", "layer", "method", "measure"]
COMPARISON = [
    *ROW, "control", "kind", "sign", "value", "ci_low", "ci_high", "control_value", "difference", "difference_ci_low",
    "difference_ci_high", "p_value", "unit", "n", "n_seeds",
]  # fmt: skip
EVIDENCE, MOTION = ("evidence", "actor"), ("moving", "flow")  # targets by what is taken first
Rows = list[dict[str, Any]]


def kind_of(control: str) -> str:
    """Whether a control knows the network."""
    return NETWORK if knows_network(control) else PIXELS


def editing(gaps: pd.DataFrame | None, *, rank_by: str) -> Rows:
    """Concepts ranked first, shown or hidden, against random ones, the last ones and other rankings (concept_gaps)."""
    found: Rows = []
    for (experiment, model, layer), rows in _groups(gaps, ["experiment", "model", "layer"]):
        pairs = {(row.better, row.worse): row for row in rows.itertuples()}
        claim, sign = ("adding", 1) if experiment == "concept_addition" else ("removing", -1)
        for strategy, method, last in (("top", rank_by, "least"), ("score", "score", "score_least")):
            if strategy == "score" and rank_by == "score":
                continue
            suffix = "" if strategy == "top" else "_by_score"
            for other, measure in (("random", "first - random"), (last, "first - last")):
                own = pairs.get((strategy, other))
                if own is None:
                    continue
                base = {
                    "claim": claim + suffix, "model": model, "layer": layer, "method": method, "measure": measure,
                    "sign": sign, "value": own.gap, "ci_low": own.ci_low, "ci_high": own.ci_high, "unit": "classes",
                    "n": own.n_classes, "n_seeds": own.n_seeds,
                }  # fmt: skip
                found.append(_against(base, other, CHANCE, 0.0, own.gap, own))
                # Of the gap to the last ones a control has its own, with its own last ones.
                gap = strategy if other == "random" else f"{strategy} - {last}"
                for (better, worse), row in pairs.items():
                    control = worse.partition(" - ")[0]
                    if better == gap and _is_ranking_control(control):
                        found.append(
                            _against(base, control, kind_of(control), own.gap - row.gap, row.gap, row)
                        )
    return found


def _is_ranking_control(name: str) -> bool:
    return name in ("other_class", "random_volume") or name.startswith("control_")


def steering(gaps: pd.DataFrame | None, *, rank_by: str) -> Rows:
    """Directions of the concepts ranked first, removed or added, against other directions and rankings (steering_gaps)."""
    found: Rows = []
    if gaps is not None:
        gaps = gaps[
            (gaps["subset"] == "all") & (gaps["concepts"] == "first") & (gaps["measure"] != "absolute_logit")
        ]
    for (model, layer, kind, measure), rows in _groups(gaps, ["model", "layer", "steering", "measure"]):
        claim = "removing_direction" if kind == "removal" else "adding_direction"
        own = rows.iloc[0]
        base = {
            "claim": claim, "model": model, "layer": layer, "method": rank_by, "measure": measure, "sign": 1,
            "value": own["value"], "ci_low": own["value_ci_low"], "ci_high": own["value_ci_high"], "unit": "classes",
            "n": own["n_classes"], "n_seeds": own["n_seeds"],
        }  # fmt: skip
        for row in rows.itertuples():
            if row.control in ("random_direction", "random"):
                its_kind = CHANCE
            elif row.control in ("random_concept", "other_class") or row.control.startswith("control_"):
                its_kind = kind_of(row.control)
            else:
                continue
            name = f"{row.control}_matched" if row.norm == "matched" else row.control
            found.append(_against(base, name, its_kind, row.control_value, row.difference, row))
    return found


def given_concepts(summary: pd.DataFrame | None) -> Rows:
    """Effects of the concepts that the config gives, against none and against what each is compared with (given_summary)."""
    found: Rows = []
    if summary is not None:
        summary = summary[summary["measure"] == "effect"]
    for (name, model, layer), rows in _groups(summary, ["name", "model", "layer"]):
        of = {row.source: row for row in rows.itertuples()}
        own = of["given"]
        base = {
            "claim": "given_concepts", "model": model, "layer": layer, "method": name, "measure": "effect", "sign": 1,
            "value": own.value, "ci_low": own.ci_low, "ci_high": own.ci_high, "unit": "classes", "n": own.n_classes,
            "n_seeds": own.n_seeds,
        }  # fmt: skip
        found.append(_above(base, 0.0, own.p_value))
        if "control" in of:
            less = of["given less control"]
            # Which voxels or clips the control has is chosen without the network.
            found.append(_against(base, "given_control", PIXELS, of["control"].value, less.value, less))
    return found


def concepts_on_evidence(table: pd.DataFrame | None, *, rank_by: str) -> Rows:
    """The run's own ranking of concepts by how well it finds what decides the class (concept_ground_truth)."""
    found: Rows = []
    if table is not None and "variant" in table:
        table = table[table["variant"] == "run"]
    for (model, layer), rows in _groups(table, ["model", "layer"]):
        rows = rows[rows["target"] == _first(rows["target"], EVIDENCE)]
        for own in rows[rows["ranking"] == rank_by].itertuples():
            base = {
                "claim": "concepts_on_evidence", "model": model, "layer": layer, "method": rank_by, "measure": "AUROC",
                "sign": 1, "value": own.auroc, "ci_low": own.ci_low, "ci_high": own.ci_high, "unit": "classes",
                "n": own.n_classes, "n_seeds": own.n_seeds,
            }  # fmt: skip
            voxels = base | {
                "measure": "voxel AUROC", "value": own.voxel_auroc, "ci_low": own.voxel_ci_low,
                "ci_high": own.voxel_ci_high, "n": own.voxel_n_classes,
            }  # fmt: skip
            found.append(_above(base, 0.5, own.p_value))
            found.append(_above(voxels, 0.5, own.voxel_p_value))
            for row in rows[rows["ranking"].str.startswith("control_")].itertuples():
                its = row.ranking, kind_of(row.ranking), row.auroc, row.difference
                found.append(_against(base, *its, row, "difference_", p=row.difference_p_value))
                its = row.ranking, kind_of(row.ranking), row.voxel_auroc, row.voxel_difference
                found.append(_against(voxels, *its, row, "voxel_difference_", p=row.voxel_difference_p_value))
    return found


def significant_concepts(scores: pd.DataFrame | None, *, rank_by: str, level: float = 0.05) -> Rows:
    """Share of concepts that raise their class beyond both nulls, against what one of them rejects by chance (concept_scores).

    By chance one rejects `level` in both directions together, so that the share that raises is less. That it is less says
    nothing, so its p-value is 1 then; that of a two-sided test is small where chance lets none raise.
    """
    found: Rows = []
    for (model, layer), rows in _groups(scores, ["model", "layer"]):
        # Both nulls, whatever test the run is set to: what the authors' t-test rejects says nothing.
        p_values = rows[["p_clusters", "p_gradients"]].max(axis=1, skipna=False)
        raised = (p_values <= level) & (rows["effect"] > 0)
        rejected = rows.assign(rejected=raised.where(p_values.notna()).astype(float))
        shares = rejected.pivot_table(index="seed", columns="class", values="rejected").to_numpy()
        low, high = mean_interval(shares, share=True)
        base = {
            "claim": "concepts_significant", "model": model, "layer": layer, "method": rank_by,
            "measure": "share that raises, p <= .05", "sign": 1, "value": float(np.nanmean(shares)), "ci_low": low,
            "ci_high": high, "unit": "classes", "n": shares.shape[1], "n_seeds": shares.shape[0],
        }  # fmt: skip
        p_value = mean_p_value(shares - level)
        found.append(_above(base, level, p_value if base["value"] > level or np.isnan(p_value) else 1.0))
    return found


def maps_on_target(
    controls: pd.DataFrame | None,
    truth: pd.DataFrame | None,
    *,
    claim: str,
    targets: Iterable[str],
    measure: str = "auroc",
) -> Rows:
    """Whole maps by how well they find a target (explanation_controls); their intervals are of ground_truth_precision."""
    found: Rows = []
    for (model, method), rows in _groups(controls, ["model", "method"]):
        target = _first(rows["target"], targets)
        rows = rows[(rows["target"] == target) & (rows["measure"] == measure)]
        if rows.empty:
            continue
        first = rows.iloc[0]
        name = "AUROC" if measure == "auroc" else "stratified AUROC"
        base = {
            "claim": claim, "model": model, "layer": "", "method": method, "measure": f"{name}, {target}", "sign": 1,
            "value": first["value"], **_interval_of(truth, model, method, target, measure),
            **_units(first), "n_seeds": first["n_seeds"],
        }  # fmt: skip
        for row in rows.itertuples():
            kind = CHANCE if row.control == "random" else kind_of(row.control)
            found.append(_against(base, row.control, kind, row.control_value, row.difference, row))
    return found


def selection(
    controls: pd.DataFrame | None, truth: pd.DataFrame | None, *, claim: str, targets: Iterable[str]
) -> Rows:
    """Selective maps by the share of what they keep that lies on a target, against the whole and equal sizes.

    Of selection_controls; their intervals are of ground_truth_precision.
    """
    found: Rows = []
    for (model, method), rows in _groups(controls, ["model", "method"]):
        target = _first(rows["target"], targets)
        rows = rows[(rows["target"] == target) & (rows["measure"] == "precision")]
        if rows.empty:
            continue
        first = rows.iloc[0]
        base = {
            "claim": claim, "model": model, "layer": "", "method": method, "measure": f"precision, {target}",
            "sign": 1, "value": first["value"], **_interval_of(truth, model, method, target, "precision", selective=True),
            **_units(first), "n_seeds": first["n_seeds"],
        }  # fmt: skip
        for row in rows.itertuples():
            kind = CHANCE if row.control == "whole" else NETWORK
            found.append(_against(base, row.control, kind, row.control_value, row.difference, row))
    return found


def same_pixels(table: pd.DataFrame | None, controls: pd.DataFrame | None) -> Rows:
    """What a network's own explanation has more of on what decides for it than on what decides for another.

    Of same_pixels and same_pixels_controls. Of whatever looks at pixels alone the difference is 0; the norm of the activation, and
    maps for another class or with a random head, follow the network as well and have to be exceeded.
    """
    found: Rows = []
    rivals = {} if controls is None else dict(list(controls.groupby(["model", "layer", "method", "measure"])))
    for (model,), rows in _groups(table, ["model"]):
        whole = rows[~rows["selective"].astype(bool) & (rows["control_of"] == "")]
        concepts = whole["method"].str.startswith("concepts_")
        whole = whole[whole["measure"] == np.where(concepts, "share", "auroc")]
        for own in whole.itertuples():
            if is_control(own.method):
                continue
            base = {
                "claim": "follows_network", "model": model, "layer": own.layer, "method": own.method,
                "measure": f"{own.measure}, own - other", "sign": 1, "value": own.difference, "ci_low": own.ci_low,
                "ci_high": own.ci_high, "unit": f"{'classes' if own.unit == 'class' else 'videos'}",
                "n": own.n_classes if own.unit == "class" else own.n_videos, "n_seeds": own.n_seeds,
            }  # fmt: skip
            found.append(_above(base, 0.0, own.p_value))
            its = rivals.get((model, own.layer, own.method, own.measure))
            for row in () if its is None else its.itertuples():
                value = own.difference - row.difference
                found.append(_against(base, row.control, kind_of(row.control), value, row.difference, row))
    return found


def follows_class(table: pd.DataFrame | None, controls: pd.DataFrame | None) -> Rows:
    """Maps of clips that show two classes' evidence, by how well each class's lies on its own.

    Of interventions and interventions_controls.
    """
    found: Rows = []
    parts = [
        None if one is None else one[(one["subset"] == "all") & (one["measure"] == "class_auroc")]
        for one in (table, controls)
    ]
    rivals = {} if parts[1] is None else dict(list(parts[1].groupby(["model", "method"])))
    for (model, method), rows in _groups(parts[0], ["model", "method"]):
        own = next(rows.itertuples())
        if is_control(method):
            continue
        base = {
            "claim": "follows_class", "model": model, "layer": "", "method": method, "measure": "class AUROC", "sign": 1,
            "value": own.value, "ci_low": own.ci_low, "ci_high": own.ci_high, **_units(own._asdict()),
            "n_seeds": own.n_seeds,
        }  # fmt: skip
        found.append(_above(base, 0.5, own.p_value))
        its = rivals.get((model, method))
        for row in () if its is None else its.itertuples():
            found.append(
                _against(base, row.control, kind_of(row.control), row.control_value, row.difference, row)
            )
    return found


def faithfulness(table: pd.DataFrame | None, controls: pd.DataFrame | None) -> Rows:
    """Orders of supervoxels by the curve of what is left of the answer, the first fill.

    Of faithfulness and faithfulness_controls.
    """
    found: Rows = []
    place = ["model", "layer", "fill", "curve", "outcome", "method"]
    if table is not None and len(table):
        table = table[table["fill"] == table["fill"].iloc[0]]
        table = table[table["outcome"] == _first(table["outcome"], ("margin", "probability"))]
        table = table[table["best_control"].notna() & (table["best_control"] != "")]
    rivals = {} if controls is None else dict(list(controls.groupby(place)))
    for key, rows in _groups(table, place):
        row = next(rows.itertuples())
        base = {
            "claim": "faithful", "model": row.model, "layer": row.layer, "method": row.method,
            "measure": f"area under {row.curve}, {row.outcome}", "sign": -1 if row.curve == "deletion" else 1,
            "value": row.area, "ci_low": row.area_ci_low, "ci_high": row.area_ci_high,
            **_units(row._asdict()), "n_seeds": row.n_seeds,
        }  # fmt: skip
        for other in rivals[key].itertuples() if key in rivals else ():
            kind = CHANCE if other.control == "random" else kind_of(other.control)
            area = row.area - other.difference
            found.append(_against(base, other.control, kind, area, other.difference, other, "difference_"))
    return found


def randomization(table: pd.DataFrame | None, *, limit: float) -> Rows:
    """What is left of maps and ranks when the fewest weights, those of the head, are random (randomization).

    NaN where that is not known, whatever is left with more of the network random.
    """
    found: Rows = []
    if table is not None:
        table = table[(table["check"] == "weights") & (table["depth"] > 0)]
    for (model, method, measure), rows in _groups(table, ["model", "method", "measure"]):
        row = next(rows.sort_values("depth").itertuples())
        base = {
            "claim": "notices_random_head", "model": model, "layer": "", "method": method,
            "measure": f"{measure} left", "sign": -1, "value": row.left, "ci_low": row.left_ci_low,
            "ci_high": row.left_ci_high, "unit": "units", "n": row.n_units, "n_seeds": row.n_seeds,
        }  # fmt: skip
        found.append(_above(base, limit, row.left_p_value))
    return found


def _groups(table: pd.DataFrame | None, keys: list[str]) -> Iterable[tuple[Any, pd.DataFrame]]:
    return () if table is None or table.empty else table.groupby(keys, sort=False)


def _units(row: Mapping[str, Any]) -> dict[str, Any]:
    """What is independent, and how many of them, by a table's row."""
    return {"unit": "videos" if row["n_units"] == row["n_videos"] else "groups", "n": row["n_units"]}


def _first(values: pd.Series, wanted: Iterable[str]) -> str | None:
    """The first of some names that is there."""
    there = set(values)
    return next((name for name in wanted if name in there), None)


def _against(
    base: dict[str, Any], control: str, kind: str, its: float, difference: float, row: Any, ends: str = "",
    p: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """A comparison whose interval and p-value a table's row has."""
    low, high = getattr(row, f"{ends}ci_low"), getattr(row, f"{ends}ci_high")
    return base | {
        "control": control, "kind": kind, "control_value": its, "difference": difference, "difference_ci_low": low,
        "difference_ci_high": high, "p_value": row.p_value if p is None else p,
    }  # fmt: skip


def _above(base: dict[str, Any], level: float, p_value: float) -> dict[str, Any]:
    """A comparison with a fixed value that chance gives."""
    return base | {
        "control": "", "kind": CHANCE, "control_value": level, "difference": base["value"] - level,
        "difference_ci_low": base["ci_low"] - level, "difference_ci_high": base["ci_high"] - level,
        "p_value": p_value,
    }  # fmt: skip


def _interval_of(
    truth: pd.DataFrame | None, model: str, method: str, target: str, measure: str, *, selective: bool = False
) -> dict[str, float]:
    none = {"ci_low": np.nan, "ci_high": np.nan}
    if truth is None:
        return none
    row = truth[
        (truth["model"] == model) & (truth["method"] == method) & (truth["target"] == target)
        & (truth["selective"].astype(bool) == selective)
    ]  # fmt: skip
    prefix = (
        "" if (target, measure) == ("flow", "precision") else f"{measure}_"
    )  # the first measure of its table
    return none if row.empty else {end: row[f"{prefix}{end}"].iloc[0] for end in none}
