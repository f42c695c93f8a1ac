"""Simulated truths through the tables' own functions: what is called a 95 % interval covers, and a true null is rejected
as rarely as its p-value says.

A table is added with a `Case`: how its inputs are simulated, many times at once, each time as another model; the
function; and what is read from the table. Sizes are those of real runs: 6 classes, 6 or 12 videos, 1 or 3 seeds.
Where every column is simulated, here or beside its table's other tests, stands in `SIMULATED`, which must be complete.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from voxplain.checks.concept_ablation.table import concept_ablation_agreement_table, concept_ablation_table
from voxplain.checks.concept_motion.table import concept_motion_table
from voxplain.checks.evidence_or_motion.table import evidence_or_motion_table
from voxplain.checks.faithfulness.table import faithfulness_controls_table, faithfulness_table
from voxplain.checks.frame_importance.table import frame_agreement_table, frame_importance_table
from voxplain.checks.interventions.table import interventions_controls_table, interventions_table
from voxplain.checks.motion_probes.table import motion_probes_table
from voxplain.checks.motion_reliance.table import motion_reliance_table
from voxplain.checks.position_bias.table import UNEVEN, position_bias_table
from voxplain.checks.presets.table import presets_table
from voxplain.checks.randomization.table import randomization_table
from voxplain.checks.same_pixels.table import same_pixels_table
from voxplain.checks.stability.table import stability_table
from voxplain.claims.table import claims_table
from voxplain.concepts import UNEDITED
from voxplain.concepts.given.table import given_concepts_table, given_summary_table
from voxplain.concepts.steering.table import (
    concept_steering_table,
    steering_agreement_table,
    steering_gaps_table,
)
from voxplain.concepts.tables import curve_table
from voxplain.models.tables import accuracy_table
from voxplain.motion.tables import (
    MEASURES,
    RANKING_SCORES,
    baseline_agreement_table,
    explanation_controls_table,
    ground_truth_precision_table,
    motion_precision_table,
    selected_share_table,
    selectivity_table,
)
from voxplain.tables import all_tables

FEW, MANY = 150, 600  # replicates, of tables that take long and of others
NO_GAPS = pd.DataFrame(columns=["better", "worse"])
PLACE = ["model", "seed", "layer", "class", "concept"]


@dataclass(frozen=True)
class Case:
    """A table under a known truth.

    Attributes
    ----------
    simulate : callable
        Of a generator, and a `Design`: the table's inputs, in which each replicate is a model.
    table : callable
        Its function.
    read : callable
        Of the table, to what is checked, by name: bool arrays of which intervals cover; float arrays of p-values; of
        names that start with ``yes`` bool arrays of which verdicts say so, where there is nothing to be found; of names
        that start with ``at least`` bool arrays of which intervals cover, where they are known to be cautious.
    designs : tuple of (seeds, units, seed effect)
        Sizes to try.
    replicates : int
    """

    name: str
    simulate: Callable[[np.random.Generator, Design], dict[str, Any]]
    table: Callable[..., pd.DataFrame]
    read: Callable[[pd.DataFrame], dict[str, np.ndarray]]
    designs: tuple[tuple[int, int, float], ...] = ((1, 6, 0.0), (3, 12, 0.1))
    replicates: int = MANY


@dataclass(frozen=True)
class Design:
    """How many replicates, seeds and units, and by how much seeds differ (units and the rest: by .1)."""

    seeds: int
    units: int
    seed_effect: float
    replicates: int

    def draw(self, rng: np.random.Generator, mean: float = 0.0) -> np.ndarray:
        """(replicates, seeds, units) values of this mean over seeds and units."""
        shape = self.replicates, self.seeds, self.units
        whole = mean + 0.1 * rng.standard_normal(shape)
        whole += 0.1 * rng.standard_normal((shape[0], 1, shape[2]))
        return whole + self.seed_effect * rng.standard_normal((shape[0], shape[1], 1))

    def rows(self, unit: str = "video", **columns: np.ndarray) -> pd.DataFrame:
        """A row per replicate (as model m0, m1, ...), seed and unit, with columns of (replicates, seeds, units)."""
        shape = self.replicates, self.seeds, self.units
        model, seed, number = (values.ravel() for values in np.indices(shape))
        table = pd.DataFrame({"model": model, "seed": seed, "clip": 0, unit: number})
        table = table.astype({"model": str}).assign(layer="l")
        return table.assign(
            **{name: np.broadcast_to(values, shape).ravel() for name, values in columns.items()}
        )


def covers(table: pd.DataFrame, name: str, truth: float) -> np.ndarray:
    """Which intervals of a column, or without a name those of a table that has one, hold the truth."""
    before = f"{name}_" if name else ""
    low, high = (table[f"{before}{end}"].dropna() for end in ("ci_low", "ci_high"))
    assert len(low) > 0.95 * len(table), f"{name}: {len(low)} of {len(table)} intervals"
    return ((low <= truth) & (truth <= high)).to_numpy()


def in_groups(rng: np.random.Generator, rows: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Two videos that are nearly the same for each: groups, of which a table that took videos would be too sure."""
    apart = 0.03 * rng.standard_normal((len(rows), len(columns)))
    halves = [
        rows.assign(
            group=rows["video"],
            video=rows["video"].astype(str) + half,
            **{name: rows[name] + sign * apart[:, number] for number, name in enumerate(columns)},
        )
        for sign, half in ((1, "a"), (-1, "b"))
    ]
    return pd.concat(halves, ignore_index=True)


# ---- faithfulness: a method as good as its best control, and one as good as random orders -------------------------------------------------


def simulate_curves(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    level = design.draw(rng, 0.5)
    areas = {
        ("method", ""): level + design.draw(rng),
        ("control_saturation", ""): level,
        ("guess", ""): level + 5 + design.draw(rng),
        ("random", ""): level + 5,
    }
    parts = [
        design.rows(probability=values, margin=values, share=share)
        .assign(method=method, control_of=control_of, draw=0, fill="mean", curve="deletion", chance=0.2)
        for (method, control_of), values in areas.items() for share in (0.0, 1.0)
    ]  # fmt: skip
    return {"curves": pd.concat(parts, ignore_index=True)}


def read_faithfulness(table: pd.DataFrame) -> dict[str, np.ndarray]:
    rows, guess = (
        table[(table["method"] == method) & (table["outcome"] == "probability")]
        for method in ("method", "guess")
    )
    if "control" in rows:
        rows = rows[rows["control"] == "control_saturation"]
        beats = rows["beats_control"].fillna(False).to_numpy(bool)
        return {
            "difference": covers(rows, "difference", 0),
            "p_value": rows["p_value"].to_numpy(),
            "yes": beats,
        }
    assert set(rows["best_control"]) == {"control_saturation"}
    known = {"difference": 0.0, "area": 0.5, "random_difference": -5.0}
    return {name: covers(rows, name, truth) for name, truth in known.items()} | {
        "random_difference of none": covers(guess, "random_difference", 0),
        "random_p_value": guess["random_p_value"].to_numpy(),
        "p_value": rows["p_value"].to_numpy(),
        "yes": rows["beats_controls"].fillna(False).to_numpy(bool),
    }


# ---- randomization: half of the likeness is left --------------------------------------------------------


def simulate_likeness(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    base, random = 0.4, 0.7
    shape = design.replicates, design.seeds, design.units
    # Of every clip's map, how alike it is to any other's, and what two have of their own.
    own = 0.1 * rng.standard_normal((shape[0], 1, shape[2])) + 0.05 * rng.standard_normal(shape)
    names = {"check": "weights", "part": "fc", "depth": 1, "method": "x"}
    values = random + design.draw(rng) / 2
    parts = [design.rows("clip", spearman=values, ssim=values).assign(draw=0, **names)]
    for step in (1, 2):
        pair = base + own + np.roll(own, -step, axis=2) + 0.05 * rng.standard_normal(shape)
        for both in (pair, np.roll(pair, step, axis=2)):
            parts.append(
                design.rows("clip", spearman=both, ssim=both).assign(
                    draw=step, **names | {"check": "baseline", "part": "unrelated", "depth": 0}
                )
            )
    ranks = pd.DataFrame(
        {"model": "0", "seed": 0, "layer": "l", "check": "weights", "part": "none", "depth": 0, "draw": 0,
         "class": "a", "concept": [0, 1], "rank": [1, 2], "rank_run": [1, 2]}
    )  # fmt: skip
    maps = pd.concat(parts, ignore_index=True)
    return {"scores": ranks, "maps": maps, "gaps": NO_GAPS, "shares": None}


def read_likeness(table: pd.DataFrame) -> dict[str, np.ndarray]:
    table = table[table["measure"] == "ssim"]
    random, unrelated = table[table["part"] == "fc"], table[table["part"] == "unrelated"]
    return {
        "value": covers(random, "", 0.7),
        "left": covers(random, "left", 0.5),
        "fall": covers(random, "fall", 0.3),
        "unrelated": covers(unrelated, "", 0.4),
        "p of left": random["left_p_value"].to_numpy(),
        # At the limit neither verdict is right.
        "yes": random["notices"].fillna(False).to_numpy(bool),
        "yes_verdict": random["verdict"].fillna(False).to_numpy(bool),
        "yes, it does not": (~random["notices"].fillna(True)).to_numpy(bool),
    }


def simulate_orders(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    """Orders of five concepts that have nothing to do with the run's, nor with the actor."""
    parts = []
    for part in ("none", "fc"):
        shape = design.replicates, design.seeds, design.units
        for concept, rank in enumerate(np.moveaxis(np.argsort(rng.random((*shape, 5)), axis=-1), -1, 0)):
            parts.append(
                design.rows("class", rank=rank + 1).assign(concept=concept, rank_run=concept + 1, part=part)
            )
    ranks = pd.concat(parts, ignore_index=True).assign(check="weights", depth=0, draw=0)
    shares = ranks[ranks["part"] == "none"][["model", "seed", "layer", "class", "concept"]]
    shares = shares.assign(variant="run", actor=np.where(shares["concept"] < 2, 0.9, 0.1))
    maps = simulate_likeness(rng, Design(1, 3, 0.0, 1))["maps"]
    return {"scores": ranks, "maps": maps, "gaps": NO_GAPS, "shares": shares}


def read_orders(table: pd.DataFrame) -> dict[str, np.ndarray]:
    found = {}
    for measure, truth in (("spearman", 0.0), ("actor_auroc", 0.5)):
        rows = table[(table["measure"] == measure) & (table["part"] == "fc")]
        found |= {measure: covers(rows, "", truth), f"{measure}_fall": covers(rows, "fall", 0.0)}
        found[f"yes_{measure}"] = rows["notices"].fillna(False).to_numpy(bool)
    return found


# ---- stability ------------------------------------------------------------------------------------------


def simulate_choices(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    choices = design.rows("class", tau=design.draw(rng, 0.4)).assign(what="clusters", value="6", draw=0)
    nothing = pd.DataFrame(columns=["model", "seed", "layer", "class", "variant", "tau"], dtype=object)
    return {
        "choices": choices.assign(spread=np.nan, needed=np.nan),
        "importance": nothing,
        "variants": nothing.astype({"variant": str}),
    }


def simulate_seeds(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    """Importance of 12 supervoxels of each class, of which half the variance is the same for all seeds."""
    shape = design.replicates, design.seeds, design.units
    shared = rng.standard_normal((12, shape[0], 1, shape[2]))
    parts = [
        design.rows("class", importance=own + rng.standard_normal(shape)).assign(supervoxel=number)
        for number, own in enumerate(shared)
    ]
    nothing = pd.DataFrame(columns=["model", "seed", "layer", "class", "variant", "tau"], dtype=object)
    return {
        "choices": nothing,
        "importance": pd.concat(parts, ignore_index=True).assign(video="v", level=0),
        "variants": nothing.astype({"variant": str}),
    }


# ---- concepts and motion --------------------------------------------------------------------------------


RELIANCE = {"probability": 0.8, "still": 0.3, "moving_share": 0.2, "relevance_on_motion": 0.5}
SHARES = ("volume_share", "moving_share", "relevance_share", "selective_share")


def simulate_reliance(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    clips = design.rows(**{name: design.draw(rng, truth) for name, truth in RELIANCE.items()})
    clips = in_groups(rng, clips, *RELIANCE).assign(method="dtd", **{"class": "a"})
    concepts = pd.DataFrame(columns=["model", "seed", "layer", "class", "concept", "effect", "moving_share"])
    return {"clips": clips, "concepts": concepts}


def simulate_shares(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    shares = design.rows(**{name: design.draw(rng, 0.4) for name in SHARES})
    shares = in_groups(rng, shares, *SHARES).assign(concept=0, method="dtd", **{"class": "a"})
    scores = shares.drop_duplicates("model").assign(score=0.5, effect=1.0, rank=1)
    return {"shares": shares, "scores": scores}


# ---- importance by ablation -----------------------------------------------------------------------------


def simulate_ablation(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    """Squares and variances of videos that differ, of which the ratio of the means is 4 times .25."""
    videos = np.exp(0.5 * rng.standard_normal((design.replicates, design.seeds, design.units)))
    squares = videos * (1 + 0.3 * rng.uniform(-1, 1, videos.shape))
    rows = design.rows(squares=squares, variance=videos, gains=design.draw(rng, 1.0))
    rows = rows.assign(concept=0, outcome="logit", **{"class": "a"})
    scores = rows.drop_duplicates(["model", "seed"]).assign(score=0.5, derivative=1.0, effect=1.0)
    return {"ablations": rows, "scores": scores}


def simulate_agreement(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    """Five concepts of each class whose effects have nothing to do with what hiding them does; one video."""
    parts, shape = [], (design.replicates, design.seeds, design.units)
    for concept in range(5):
        gains, effect = rng.standard_normal((2, *shape))
        part = design.rows("class", gains=gains, squares=gains**2, effect=effect, score=effect)
        parts.append(part.assign(concept=concept, variance=1.0, outcome="logit", video="v"))
    rows = pd.concat(parts, ignore_index=True).assign(derivative=lambda table: table["effect"])
    return {"ablations": rows, "scores": rows}


def read_agreement(table: pd.DataFrame) -> dict[str, np.ndarray]:
    rows = table[(table["class"] == "all") & (table["ablation"] == "mean_effect")]
    rows = rows[rows["direction"] == "effect"]
    return {"tau": covers(rows, "", 0), "p_value": rows["p_value"].to_numpy()}


# ---- presets and networks -------------------------------------------------------------------------------


def simulate_presets(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    """Classes have three to seven concepts, and four videos each, which are answered rightly by chance."""
    agreement = design.rows("class", kept=design.draw(rng, 4.0), tau=design.draw(rng, 0.5))
    shape = design.replicates, design.seeds, design.units
    concepts = design.rows("class", cav_accuracy=design.draw(rng, 0.8))
    concepts = concepts.loc[concepts.index.repeat(rng.integers(3, 8, shape).ravel())]
    edits = []
    for experiment, gap in (("concept_addition", 0.2), ("concept_removal", -0.2)):
        for strategy, more in (("top", gap / 2), ("random_volume", -gap / 2)):
            chance = 0.5 + more + 0.2 * rng.uniform(-1, 1, (shape[0], 1, shape[2]))
            chance = chance + design.seed_effect * rng.uniform(-1, 1, (*shape[:2], 1))
            edits += [
                design.rows("class", correct=rng.random(shape) < chance).assign(
                    experiment=experiment, strategy=strategy,
                    video=lambda rows, number=number: rows["class"].astype(str) + f"-{number}",
                )
                for number in range(4)
            ]  # fmt: skip
    shares = design.rows(selected_share=design.draw(rng, 0.2), motion_precision=design.draw(rng, 0.5))
    return {
        "scores": concepts.assign(variant="corrected"),
        "edits": pd.concat(edits, ignore_index=True).assign(variant="corrected", draw=0, k=1, share=np.nan),
        "agreement": agreement.assign(variant="corrected"),
        "selections": shares.assign(variant="corrected", method="dtd"),
    }


PRESETS = {
    "kept": 4.0, "concepts": 5.0, "cav_accuracy": 0.8, "tau": 0.5, "addition_gap": 0.2, "removal_gap": -0.2,
    "selected_share": 0.2, "motion_precision": 0.5,
}  # fmt: skip


def simulate_answers(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    right = rng.random((design.replicates, design.seeds, design.units)) < 0.7
    answers = in_groups(rng, design.rows(right=right)).assign(**{"class": "a"})
    return {"predictions": answers.assign(predicted=np.where(answers["right"], "a", "b"))}


def read_answers(table: pd.DataFrame) -> dict[str, np.ndarray]:
    rows = table[table["class"] == "all"]
    return {"accuracy": covers(rows, "", 0.7)}


# ---- evidence or motion: selection changes nothing -------------------------------------------------------


def simulate_subsets(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    """Each group has a video in both subsets, alike but for chance."""
    level = design.draw(rng, 0.5)
    parts = [
        design.rows(
            relevance_on_target=level + design.draw(rng), auroc=level + design.draw(rng), stratified_auroc=level,
        ).assign(
            group=lambda rows: rows["video"], subset=subset, selective=selective, method="dtd", control_of="",
            target="evidence", share=0.1,
        )
        for subset in ("frozen", "moving") for selective in (False, True)
    ]  # fmt: skip
    found = pd.concat(parts, ignore_index=True)
    return {"found": found.assign(video=found["subset"] + found["video"].astype(str))}


def read_subsets(table: pd.DataFrame) -> dict[str, np.ndarray]:
    known = {}
    for measure, name, subset, truth in (
        ("evidence", "whole", "all", 0.5), ("evidence", "selective - whole", "all", 0.0),
        ("evidence AUROC", "whole", "moving", 0.5), ("evidence", "whole", "moving - frozen", 0.0),
    ):  # fmt: skip
        rows = table[(table["measure"] == measure) & (table["map"] == name) & (table["subset"] == subset)]
        known[f"{measure}, {name}, {subset}"] = covers(rows, "", truth)
        if measure != "evidence" or name != "whole" or subset != "all":
            known[f"p of {measure}, {name}, {subset}"] = rows["p_value"].to_numpy()
    return known


# ---- maps: relevance and what moves ---------------------------------------------------------------------

SELECTED = ("area_share", "relevance_share")


def maps_of(rng: np.random.Generator, design: Design, names: Iterable[str], **given: Any) -> pd.DataFrame:
    """Measures of a method's maps, by groups of videos, of mean .5."""
    rows = design.rows(**{name: design.draw(rng, 0.5) for name in names})
    return in_groups(rng, rows, *names).assign(**{"method": "dtd", "control_of": "", "class": "a"} | given)


def simulate_maps(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    scores = maps_of(rng, design, ["precision", *RANKING_SCORES], selective=False)
    published = pd.DataFrame(columns=["method", "selective", "published_mean", "published_sd"])
    return {
        "scores": scores.assign(base_rate=0.2, precision_exact=np.nan, base_rate_exact=np.nan),
        "published": published.astype({"method": str, "selective": bool}),
    }


def simulate_selections(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    published = pd.DataFrame(columns=["method"], dtype=str)
    return {"scores": maps_of(rng, design, SELECTED, selective=True), "published": published, "sigma": 4.0}


def simulate_runs(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    one, other = (maps_of(rng, design, SELECTED, selective=True) for _ in range(2))
    return {"scores": one, "other": other, "run": "other"}


def simulate_overlap(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    published = pd.DataFrame(columns=["method_a", "method_b"], dtype=str)
    agreements = maps_of(rng, design, ["agreement"], method_a="dtd", method_b="gradcam")
    return {"agreements": agreements, "published": published}


def simulate_targets(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    return {"found": maps_of(rng, design, [*MEASURES, "share"], selective=False, target="evidence")}


def simulate_map_controls(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    """Maps that are on average as good as a control of the same videos, and better than its reverse."""
    level = {name: design.draw(rng, 0.7) for name in RANKING_SCORES}
    parts = []
    for method in ("dtd", "control_center"):
        rows = design.rows(**{name: values + design.draw(rng) for name, values in level.items()})
        rows = in_groups(rng, rows, *RANKING_SCORES)
        parts.append(rows.assign(method=method, control_of="", selective=False, precision=0.5))
    return {"scores": pd.concat(parts, ignore_index=True)}


def read_controls(table: pd.DataFrame) -> dict[str, np.ndarray]:
    rows = table[table["control"] == "control_center"]
    return {"difference": covers(rows, "", 0), "p_value": rows["p_value"].to_numpy()}


def simulate_sides(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    """The left half has more than the right one, by just as much as still counts as even."""
    rows = design.rows(half=design.draw(rng, (1 + UNEVEN) / (2 + UNEVEN)))
    rows = in_groups(rng, rows, "half").assign(method="dtd", axis="width", first=0.125, last=0.125)
    return {"shares": rows}


# ---- maps: frames ---------------------------------------------------------------------------------------


def simulate_frames(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    rows = in_groups(rng, design.rows(value=design.draw(rng, 0.5)), "value")
    return {"scores": rows.assign(measure="relevance", method="dtd", control_of="", selective=False, frame=0)}


def simulate_lost_frames(rng: np.random.Generator, design: Design, controls: int = 1) -> dict[str, Any]:
    """Relevance in eight frames that goes with what is lost in some networks, and against it in as many."""
    shape = 8, design.replicates, design.seeds, design.units
    lost = rng.standard_normal(shape) + rng.standard_normal((8, design.replicates, 1, design.units))
    curves = {("hidden", ""): lost}
    for method in ("dtd", *("control_saturation", "control_center", "control_redness")[:controls]):
        follows = 3 * design.seed_effect * rng.standard_normal((1, *shape[1:3], 1))
        curves["relevance", method] = follows * lost + rng.standard_normal(shape)
    parts = [
        design.rows(value=values).assign(measure=measure, method=method, frame=frame)
        for (measure, method), of_frames in curves.items() for frame, values in enumerate(of_frames)
    ]  # fmt: skip
    return {"scores": pd.concat(parts, ignore_index=True).assign(control_of="", selective=False)}


def read_frames(table: pd.DataFrame) -> dict[str, np.ndarray]:
    rows = table[table["method"] == "dtd"]
    if rows["best_control"].nunique() > 1:
        return {"yes": (rows["difference_ci_low"] > 0).to_numpy()}
    return {
        "correlation": covers(rows, "", 0),
        "p_value": rows["p_value"].to_numpy(),
        "difference": covers(rows, "difference", 0),
        "difference_p_value": rows["difference_p_value"].to_numpy(),
    }


# ---- maps and answers under interventions ---------------------------------------------------------------


def simulate_changes(rng: np.random.Generator, design: Design, controls: int = 1) -> dict[str, Any]:
    """An intervention that changes nothing on average, and controls that are as good as the explainer."""
    level, parts = design.draw(rng, 0.7), []
    for method in ("dtd", *(f"control_{number}" for number in range(controls))):
        for intervention in ("none", "frozen"):
            rows = in_groups(rng, design.rows(value=level + design.draw(rng) / 2), "value")
            parts.append(rows.assign(method=method, intervention=intervention, measure="auroc"))
    return {"scores": pd.concat(parts, ignore_index=True)}


def read_changes(table: pd.DataFrame) -> dict[str, np.ndarray]:
    rows = table[(table["method"] == "dtd") & (table["intervention"] == "frozen")]
    if rows["best_control"].nunique() > 1:
        return {"yes": (rows["control_difference_ci_low"] > 0).to_numpy()}
    return {
        "value": covers(rows, "", 0.7),
        "difference": covers(rows, "difference", 0),
        "p_value": rows["p_value"].to_numpy(),
        "control_difference": covers(rows, "control_difference", 0),
        "control_p_value": rows["control_p_value"].to_numpy(),
    }


def read_changes_controls(table: pd.DataFrame) -> dict[str, np.ndarray]:
    rows = table[(table["intervention"] == "frozen") & (table["control"] == "control_0")]
    return {"difference": covers(rows, "", 0), "p_value": rows["p_value"].to_numpy()}


def simulate_lost_answers(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    """Of four videos in five, which are answered rightly, a quarter no longer are; half of the others are now."""
    shape = design.replicates, design.seeds, design.units
    right, drawn = rng.random((2, *shape))
    values = {"none": right < 0.8, "frozen": np.where(right < 0.8, drawn > 0.25, drawn < 0.5)}
    parts = [
        design.rows(value=value.astype(float)).assign(intervention=name, measure="accuracy", method="")
        for name, value in values.items()
    ]
    return {"scores": pd.concat(parts, ignore_index=True)}


def read_lost_answers(table: pd.DataFrame) -> dict[str, np.ndarray]:
    rows = table[table["intervention"] == "frozen"]
    # Of few answers few change: cautious.
    return {"value": covers(rows, "", 0.7), "at least": covers(rows, "difference", -0.1)}


# ---- probes: a layer tells as much as a control ---------------------------------------------------------


def simulate_probes(rng: np.random.Generator, design: Design, controls: int = 1) -> dict[str, Any]:
    """Squared errors and deviations of two coordinates; the probes explain two fifths of the variance."""
    shape = design.replicates, design.seeds, design.units
    deviation, parts = rng.chisquare(2, (shape[0], 1, shape[2])), []
    for number in range(1 + controls):
        quality = 1 + design.seed_effect * rng.standard_normal((*shape[:2], 1))
        error = 0.3 * quality * (deviation + rng.chisquare(2, shape))
        source = "network" if number == 0 else "pixels"
        rows = design.rows(error=error, deviation=deviation).assign(source=source, layer=f"{source}{number}")
        parts.append(rows)
    return {"scores": pd.concat(parts, ignore_index=True).assign(depth=0, quantity="velocity")}


def read_probes(table: pd.DataFrame) -> dict[str, np.ndarray]:
    rows = table[table["source"] == "network"]
    if rows["best_control"].nunique() > 1:
        return {"yes": (rows["difference_ci_low"] > 0).to_numpy()}
    found = {"r_squared": covers(rows, "", 0.4), "difference": covers(rows, "difference", 0)}
    return found | {"p_value": rows["p_value"].to_numpy()}


# ---- same pixels: two networks that do not follow their labels --------------------------------------------


def simulate_pixels(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    """What the pixels prefer is the same for both, what a training does to it is not; likewise of concepts' classes."""
    shape = design.replicates, design.seeds, design.units
    prefers, given = 0.1 * rng.standard_normal((2, shape[0], 1, shape[2])), {}
    for name, sign in (("", 1), ("other_", -1)):
        maps, classes = (sign * (which + design.draw(rng) / 2) for which in prefers)
        targets = {"evidence": 0.5 + maps, "distractor": 0.5 - maps, "evidence_among_objects": 0.5 + maps}
        scores = [
            design.rows(relevance_on_target=values, auroc=values).assign(target=target)
            for target, values in targets.items()
        ]
        scores = pd.concat(scores, ignore_index=True)
        given["others" if name else "scores"] = scores.assign(
            method="dtd", control_of="", selective=False, **{"class": "a"}
        )
        concepts = [
            design.rows("class", evidence=0.4 + classes + own, distractor=0.4 - classes - own).assign(
                concept=number
            )
            for number, own in enumerate(0.05 * rng.standard_normal((3, *shape)))
        ]
        concepts = pd.concat(concepts, ignore_index=True)
        given[f"{name}concepts"] = concepts.assign(variant="run", rank=concepts["concept"] + 1)
    return given


def read_pixels(table: pd.DataFrame) -> dict[str, np.ndarray]:
    found = {}
    for method in ("dtd", "concepts_top_1", "concepts_all"):
        rows = table[(table["method"] == method) & (table["measure"] == "share")]
        found |= {method: covers(rows, "", 0), f"p of {method}": rows["p_value"].to_numpy()}
    return found


# ---- concepts: claims, curves over the volume ------------------------------------------------------------


def simulate_claims(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    """Five concepts of each class, of which one in twenty is found to raise it by chance; maps no better than a control."""
    shape = design.replicates, design.seeds, design.units
    scores = [
        design.rows("class", p_clusters=rng.random(shape)).assign(
            concept=number, p_gradients=0.01, effect=1.0
        )
        for number in range(5)
    ]
    maps = explanation_controls_table(**simulate_map_controls(rng, design))
    return {"scores": pd.concat(scores, ignore_index=True), "maps": maps}


def read_claims(table: pd.DataFrame) -> dict[str, np.ndarray]:
    concepts, maps = (table[table["claim"] == claim] for claim in ("concepts_significant", "maps_on_motion"))
    return {
        # Of 30 or 90 concepts few are found, and of most classes none.
        "at least": covers(concepts, "", 0.05),
        "yes": (concepts["verdict"] == "yes").to_numpy(),
        "yes by p": (concepts["p_value"] <= 0.05).to_numpy(),
        "yes by p of chance": (concepts["p_chance"] <= 0.05).to_numpy(),
        "difference": covers(maps, "difference", 0),
        "p of maps": maps["p_value"].to_numpy(),
    }


def simulate_volumes(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    """Chances of a right answer that differ by video and seed; the fill alone is taken for one of six classes."""
    shape = design.replicates, design.seeds, design.units
    skill = 0.2 * rng.uniform(-1, 1, (shape[0], 1, shape[2]))
    skill = skill + design.seed_effect * rng.uniform(-1, 1, (*shape[:2], 1))
    blank = np.broadcast_to(rng.integers(0, 6, (*shape[:2], 1)), shape)
    rows = [
        design.rows(correct=rng.random(shape) < chance + skill, blank=blank).assign(
            strategy=strategy, experiment="none" if strategy == UNEDITED else "concept_addition", share=share,
            shown=share, **{"class": lambda rows: rows["video"] % 6},
        )
        for strategy, share, chance in (("top", 0.3, 0.5), ("top", 0.6, 0.6), (UNEDITED, np.nan, 0.7))
    ]  # fmt: skip
    return {"edits": in_groups(rng, pd.concat(rows, ignore_index=True)).assign(draw=0, k=0)}


def read_volumes(table: pd.DataFrame) -> dict[str, np.ndarray]:
    rows = table[table["share"] == 0.3]
    area = np.trapezoid([1 / 6, 0.5, 0.6, 0.7], [0, 0.3, 0.6, 1])
    return {"accuracy": covers(rows, "", 0.5), "area": covers(rows, "area", area)}


# ---- steering -------------------------------------------------------------------------------------------


def simulate_steering(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    """Removing a concept costs its class, raises the others, and one answer in eight."""
    lost = rng.random((design.replicates, design.seeds, design.units)) < 0.125
    rows = design.rows(
        change_of_logit=design.draw(rng, -1.0), change_of_other_logits=design.draw(rng, 0.5),
        change_of_accuracy=np.where(lost, -1.0, 0.0),
    )  # fmt: skip
    return {"steered": rows.assign(concept=0, rank=1, draw=0, size=0.1, **{"class": "a"} | OWN)}


def read_steering(table: pd.DataFrame) -> dict[str, np.ndarray]:
    return {
        "logit": covers(table, "", -1.0),
        "others": covers(table, "change_of_other_logits", 0.5),
        # Of few answers few change: cautious.
        "at least": covers(table, "change_of_accuracy", -0.125),
    }


OWN = {"space": "layer", "steering": "removal", "control": "none", "norm": "own"}


def simulate_directions(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    """Concepts' directions that are drawn as the controls' are: in each seed and class anew, and none chosen by what it does.

    What choosing the best of several does is simulated in test_steering.

    What a class, a seed and a video make of any direction is theirs.
    """
    shape = design.replicates, design.seeds, design.units
    common = 1 + 0.2 * rng.standard_normal((shape[0], 1, shape[2]))
    common = common + design.seed_effect * rng.standard_normal((*shape[:2], 1))
    videos, parts = 0.1 * rng.standard_normal((3, shape[0], 1, shape[2])), []
    for concept in range(2):
        for draw in range(-1, 9):
            own = common + 0.2 * rng.standard_normal(shape)
            control = OWN if draw < 0 else OWN | {"control": "random_concept"}
            for number, video in enumerate(videos):
                change = own + video + 0.05 * rng.standard_normal(shape)
                rows = design.rows("class", change_of_logit=change).assign(
                    video=lambda rows, number=number: rows["class"].astype(str) + f"-{number}",
                    change_of_other_logits=-0.5, change_of_accuracy=0.0, concept=concept, rank=concept + 1,
                    first=concept == 0, draw=max(draw, 0), **control | {"steering": "addition"},
                )  # fmt: skip
                parts.append(rows)
    steered = pd.concat(parts, ignore_index=True)
    scores = steered.drop_duplicates(PLACE)[[*PLACE, "rank"]]
    scores = scores.assign(**dict.fromkeys(("effect", "score", "derivative"), -scores["concept"]))
    return {"steered": steered, "scores": scores, "controls": scores[PLACE].iloc[:0], "rank_by": "score"}


def read_directions(table: pd.DataFrame) -> dict[str, np.ndarray]:
    table = table[table["concepts"] == "first"]
    rows, least, size = (
        table[(table["control"] == control) & (table["measure"] == measure)]
        for control, measure in (
            ("random_concept", "logit"), ("least", "margin"), ("random_concept", "absolute_logit"),
        )
    )  # fmt: skip
    return {
        "value": covers(rows, "value", 1), "difference": covers(rows, "", 0), "p_value": rows["p_value"].to_numpy(),
        "least": covers(least, "", 0), "p of least": least["p_value"].to_numpy(), "times": covers(size, "times", 1),
    }  # fmt: skip


def simulate_steered_orders(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    """Two rankings of five concepts that go with what steering does in some classes and seeds, and against it in as many."""
    shape = 5, design.replicates, design.seeds, design.units
    gains = rng.standard_normal((4, *shape))
    kinds = [("layer", "removal"), ("layer", "addition"), ("pixels", "removal"), ("pixels", "addition")]
    ranked = {}
    for name in ("effect", "score"):
        follows = 0.3 * rng.standard_normal((1, design.replicates, 1, design.units))
        follows = follows + 3 * design.seed_effect * rng.standard_normal((1, *shape[1:3], 1))
        ranked[name] = follows * gains[0] + rng.standard_normal(shape)
    steered, scores = [], []
    for concept in range(5):
        for kind, gain in zip(kinds, gains, strict=True):
            change = -gain[concept] if kind[1] == "removal" else gain[concept]
            rows = design.rows("class", change_of_logit=change).assign(
                concept=concept, video="v", control="none"
            )
            steered.append(rows.assign(space=kind[0], steering=kind[1]))
        rows = design.rows("class", **{name: values[concept] for name, values in ranked.items()})
        scores.append(rows.assign(concept=concept, derivative=lambda rows: rows["effect"]))
    scores = pd.concat(scores, ignore_index=True)
    places = [name for name in PLACE if name != "concept"]
    scores["rank"] = scores.groupby(places)["effect"].rank(ascending=False)
    return {"steered": pd.concat(steered, ignore_index=True), "scores": scores, "controls": scores[PLACE]}


def read_steered_orders(table: pd.DataFrame) -> dict[str, np.ndarray]:
    rows = table[(table["steering"] == "removal") & (table["other"] == "score")]
    return {
        "tau": covers(rows, "", 0),
        "p_value": rows["p_value"].to_numpy(),
        "difference": covers(rows, "difference", 0),
    }


# ---- given concepts -------------------------------------------------------------------------------------

GIVEN = {"name": "x", "source": "given"}
STEERED = ("effect", "removal", "addition")


def simulate_given(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    """A family of six classes, of which one of the two nulls holds; and steering in one of them."""
    of_classes = Design(design.seeds, 6, 0.0, design.replicates)
    shape = of_classes.replicates, of_classes.seeds, of_classes.units
    scores = of_classes.rows("class", p_clusters=rng.random(shape), effect=np.ones(shape))
    scores = scores.assign(p_gradients=0.01, p_value=scores["p_clusters"], **GIVEN)
    rest = """n_examples n_null_members score score_sd derivative effect_ci_low effect_ci_high cav_accuracy
        rank_among_found n_found""".split()
    steered = [
        in_groups(rng, design.rows(change_of_logit=design.draw(rng, 1.0)), "change_of_logit").assign(
            **{"class": 0} | GIVEN | OWN | {"steering": steering}
        )
        for steering in ("removal", "addition")
    ]
    return {
        "scores": scores.assign(**dict.fromkeys(rest, 0.0)),
        "steered": pd.concat(steered, ignore_index=True),
    }


def read_given(table: pd.DataFrame) -> dict[str, np.ndarray]:
    rows = table[table["class"] == 0]
    found = {name: covers(rows, name, 1.0) for name in ("removal", "addition")}
    # Of a family in which nothing is to be found the correction finds as often as a single test does.
    none = ~table.groupby(["model", "seed"])["significant"].any()
    return found | {"significant in a family": none.to_numpy(dtype=float)}


def simulate_given_classes(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    """What is given and what it is compared with do nothing on average, and what along other directions is done neither."""
    parts = []
    for source in ("given", "control"):
        rows = design.rows("class", **{name: design.draw(rng) for name in STEERED})
        others = {
            f"{steering}_random_{other}": 0.0
            for steering in STEERED[1:]
            for other in ("direction", "concept")
        }
        parts.append(rows.assign(significant=False, **others | GIVEN | {"source": source}))
    return {"table": pd.concat(parts, ignore_index=True)}


def read_given_classes(table: pd.DataFrame) -> dict[str, np.ndarray]:
    found = {}
    for source in ("given", "given less control"):
        rows = table[(table["source"] == source) & table["measure"].isin(STEERED)]
        found |= {source: covers(rows, "", 0), f"p of {source}": rows["p_value"].to_numpy()}
    return found


EVERY = ((1, 6, 0.0), (1, 12, 0.0), (3, 6, 0.0), (3, 6, 0.1), (3, 12, 0.0), (3, 12, 0.1))
ONE_SEED = ((1, 6, 0.0), (1, 12, 0.0))
CASES = [
    Case("faithfulness", simulate_curves, faithfulness_table, read_faithfulness, replicates=FEW),
    Case("faithfulness_controls", simulate_curves, faithfulness_controls_table, read_faithfulness, replicates=FEW),
    Case("randomization of maps", simulate_likeness, randomization_table, read_likeness, replicates=FEW),
    Case("randomization of orders", simulate_orders, randomization_table, read_orders,
         designs=((1, 6, 0.0), (3, 6, 0.0)), replicates=FEW),
    Case("stability", simulate_choices, stability_table, lambda table: {"tau": covers(table, "tau", 0.4)}, EVERY),
    # Half the variance: tau is 2 / pi asin(1/2).
    Case("stability between seeds", simulate_seeds, stability_table, lambda table: {
        "tau": covers(table, "tau", 1 / 3)}, ((3, 6, 0.0),), 40),
    Case("motion_reliance", simulate_reliance, motion_reliance_table, lambda table: {
        name: covers(table, name, truth) for name, truth in {**RELIANCE, "reliance": 0.5}.items()}, replicates=2 * FEW),
    Case("concept_motion", simulate_shares, concept_motion_table, lambda table: {
        name: covers(table, name, 0.4) for name in SHARES}, ONE_SEED),
    Case("concept_ablation", simulate_ablation, concept_ablation_table, lambda table: {
        name: covers(table, name, truth) for name, truth in (("total_effect", 0.25), ("mean_effect", 1))}, ONE_SEED),
    Case("concept_ablation_agreement", simulate_agreement, concept_ablation_agreement_table, read_agreement,
         ((1, 6, 0.0), (3, 6, 0.0)), FEW),
    Case("presets", simulate_presets, presets_table, lambda table: {
        name: covers(table, name, truth) for name, truth in PRESETS.items()}, replicates=FEW),
    Case("evidence_or_motion", simulate_subsets, evidence_or_motion_table, read_subsets, replicates=FEW),
    Case("model_accuracy", simulate_answers, accuracy_table, read_answers, ((1, 12, 0.0), (1, 20, 0.0))),
    Case("motion_precision", simulate_maps, motion_precision_table, lambda table: {
        name: covers(table, name, 0.5) for name in ("", *RANKING_SCORES)}, replicates=FEW),
    Case("selectivity", simulate_selections, selectivity_table, lambda table: {
        name: covers(table, name, 0.5) for name in ("area", "relevance")}, replicates=2 * FEW),
    Case("selected_share", simulate_runs, selected_share_table, lambda table: {
        name: covers(table, name, truth) for name, truth in (("mean", 0.5), ("difference", 0))}, replicates=FEW),
    Case("baseline_agreement", simulate_overlap, baseline_agreement_table, lambda table: {
        "agreement": covers(table, "", 0.5)}),
    Case("ground_truth_precision", simulate_targets, ground_truth_precision_table, lambda table: {
        name: covers(table, name, 0.5) for name in (*MEASURES, "base_rate")}, replicates=FEW),
    Case("explanation_controls", simulate_map_controls, explanation_controls_table, read_controls, replicates=FEW),
    Case("position_bias", simulate_sides, position_bias_table, lambda table: {
        "halves": covers(table, "halves", 1 + UNEVEN), "yes": (table["verdict"] == "uneven").to_numpy()}, replicates=2 * FEW),
    Case("frame_importance", simulate_frames, frame_importance_table, lambda table: {"value": covers(table, "", 0.5)}),
    Case("frame_agreement", simulate_lost_frames, frame_agreement_table, read_frames, ((1, 6, 0.0), (3, 6, 0.1)), 100),
    Case("frame_agreement, best of three", partial(simulate_lost_frames, controls=3), frame_agreement_table, read_frames,
         ((1, 6, 0.0),), 60),
    Case("interventions", simulate_changes, interventions_table, read_changes, replicates=FEW),
    Case("interventions_controls", simulate_changes, interventions_controls_table, read_changes_controls, replicates=FEW),
    Case("interventions, best of three", partial(simulate_changes, controls=3), interventions_table, read_changes,
         ((1, 6, 0.0),), 60),
    Case("interventions, answers", simulate_lost_answers, interventions_table, read_lost_answers,
         ((1, 12, 0.0), (3, 12, 0.0)), FEW),
    Case("motion_probes", simulate_probes, motion_probes_table, read_probes, ((1, 36, 0.0), (3, 36, 0.1)), FEW),
    Case("motion_probes, best of three", partial(simulate_probes, controls=3), motion_probes_table, read_probes,
         ((1, 36, 0.0),), 100),
    Case("same_pixels", simulate_pixels, same_pixels_table, read_pixels, replicates=FEW),
    Case("claims", simulate_claims, claims_table, read_claims, ((1, 6, 0.0), (3, 6, 0.0)), 100),
    Case("concept_curves", simulate_volumes, curve_table, read_volumes, ((1, 36, 0.0), (3, 36, 0.1)), FEW),
    Case("concept_steering", simulate_steering, concept_steering_table, read_steering, ONE_SEED, 2 * FEW),
    Case("steering_gaps", simulate_directions, steering_gaps_table, read_directions, ((1, 6, 0.0), (3, 6, 0.1)), 100),
    Case("steering_agreement", simulate_steered_orders, steering_agreement_table, read_steered_orders,
         ((1, 6, 0.0), (3, 6, 0.1)), 50),
    Case("given_concepts", simulate_given, given_concepts_table, read_given, ONE_SEED, FEW),
    Case("given_summary", simulate_given_classes, given_summary_table, read_given_classes,
         ((1, 6, 0.0), (3, 6, 0.1)), 50),
]  # fmt: skip


@pytest.mark.parametrize(
    ("case", "design"),
    [
        pytest.param(case, Design(*sizes, case.replicates), id="-".join([case.name, *map(str, sizes)]))
        for case in CASES for sizes in case.designs
    ],
)  # fmt: skip
def test_what_a_table_says_is_as_sure_as_it_says(case, design):
    found = case.read(case.table(**case.simulate(np.random.default_rng(0), design)))
    for name, values in found.items():
        tolerance = 2 * np.sqrt(0.05 * 0.95 / len(values))
        if name.startswith("yes"):
            assert values.mean() <= 0.07, (name, values.mean())
        elif name.startswith("at least"):
            assert values.mean() >= 0.92 - tolerance, (name, values.mean())
        elif values.dtype == bool:
            # Where seeds add nothing, allowing for them covers more.
            most = 0.97 if design.seeds == 1 else 0.985
            assert 0.92 - tolerance <= values.mean() <= most + tolerance, (name, values.mean())
        else:
            least = 0.03 - tolerance if design.seeds == 1 else 0
            rejected = (values <= 0.05).mean()
            assert least <= rejected <= 0.07 + tolerance, (name, rejected)


# Where each column that says how sure something is, is simulated: by table, the case above or the test of another file,
# and the columns. A column may be there twice.
EDITING = "test_editing.py::"
SIMULATED = {
    "model_accuracy": {"model_accuracy": "ci_low"},
    "concept_scores": {
        "test_concepts.py::test_concepts_of_structureless_data_are_rarely_significant": (
            "p_clusters p_gradients p_value significant"
        ),
    },
    "concept_addition": {
        f"{EDITING}test_intervals_of_accuracies_cover_what_videos_and_seeds_give": "ci_low",
        f"{EDITING}test_random_rankings_are_rejected_as_often_as_the_level_says": "p_value",
    },
    "concept_removal": {  # the same function
        f"{EDITING}test_intervals_of_accuracies_cover_what_videos_and_seeds_give": "ci_low",
        f"{EDITING}test_random_rankings_are_rejected_as_often_as_the_level_says": "p_value",
    },
    "concept_gaps": {
        f"{EDITING}test_intervals_of_gaps_cover_what_classes_and_seeds_give": "ci_low",
        f"{EDITING}test_random_rankings_are_rejected_as_often_as_the_level_says": "p_value",
    },
    "concept_curves": {"concept_curves": "ci_low area_ci_low"},
    "concept_steering": {
        "concept_steering": "ci_low change_of_other_logits_ci_low change_of_accuracy_ci_low",
    },
    "steering_gaps": {"steering_gaps": "value_ci_low ci_low p_value times_ci_low"},
    "steering_agreement": {"steering_agreement": "ci_low p_value difference_ci_low"},
    "given_concepts": {
        "given_concepts": "significant removal_ci_low addition_ci_low",
        "test_given_concepts.py::test_a_given_concept_of_random_members_is_rarely_significant": (
            "effect_ci_low p_clusters p_gradients p_value"
        ),
    },
    "given_summary": {"given_summary": "ci_low p_value"},
    "motion_precision": {
        "motion_precision": "ci_low auroc_ci_low average_precision_ci_low precision_equal_area_ci_low",
    },
    "baseline_agreement": {"baseline_agreement": "ci_low"},
    "selectivity": {"selectivity": "area_ci_low relevance_ci_low"},
    "selected_share": {"selected_share": "mean_ci_low difference_ci_low"},
    "ground_truth_precision": {
        "ground_truth_precision": " ".join(f"{name}_ci_low" for name in (*MEASURES, "base_rate")),
    },
    "explanation_controls": {"explanation_controls": "ci_low p_value"},
    "selection_controls": {
        "test_motion_tables.py::test_a_selection_that_is_as_good_as_its_control_is_rarely_found_better": (
            "ci_low p_value"
        ),
    },
    "concept_ground_truth": {
        "test_concept_ground_truth.py::test_random_rankings_are_rarely_significant": (
            "ci_low difference_ci_low voxel_ci_low voxel_difference_ci_low p_value difference_p_value voxel_p_value "
            "voxel_difference_p_value"
        ),
        "test_concept_ground_truth.py::test_intervals_cover_the_mean_over_classes_and_seeds": "ci_low voxel_ci_low",
    },
    "concept_motion": {"concept_motion": " ".join(f"{name}_ci_low" for name in SHARES)},
    "motion_reliance": {"motion_reliance": " ".join(f"{name}_ci_low" for name in (*RELIANCE, "reliance"))},
    "concept_ablation": {"concept_ablation": "total_effect_ci_low mean_effect_ci_low"},
    "concept_ablation_agreement": {"concept_ablation_agreement": "ci_low p_value"},
    "evidence_or_motion": {"evidence_or_motion": "ci_low p_value"},
    "faithfulness": {
        "faithfulness": (
            "area_ci_low random_difference_ci_low random_p_value difference_ci_low p_value beats_controls"
        ),
    },
    "faithfulness_controls": {"faithfulness_controls": "difference_ci_low p_value beats_control"},
    "frame_importance": {"frame_importance": "ci_low"},
    "frame_agreement": {
        "frame_agreement": "ci_low p_value difference_ci_low difference_p_value",
        "frame_agreement, best of three": "difference_ci_low",
    },
    "interventions": {
        "interventions": "ci_low difference_ci_low p_value control_difference_ci_low control_p_value",
        "interventions, best of three": "control_difference_ci_low",
        "interventions, answers": "ci_low difference_ci_low",
        "test_interventions.py::test_maps_of_a_random_head_follow_the_class_as_often_as_the_level_says": "p_value",
    },
    "interventions_controls": {"interventions_controls": "ci_low p_value"},
    "motion_probes": {
        "motion_probes": "ci_low difference_ci_low p_value",
        "motion_probes, best of three": "difference_ci_low",
    },
    "position_bias": {"position_bias": "halves_ci_low verdict"},
    "presets": {"presets": " ".join(f"{name}_ci_low" for name in PRESETS)},
    "randomization": {
        "randomization of maps": "ci_low fall_ci_low left_ci_low left_p_value notices verdict",
        "randomization of orders": "ci_low fall_ci_low notices",
    },
    "same_pixels": {
        "same_pixels": "ci_low p_value",
        "test_same_pixels.py::test_networks_that_do_not_follow_their_labels_are_rarely_significant": "ci_low p_value",
    },
    "same_pixels_controls": {
        "test_same_pixels.py::test_a_map_that_follows_its_network_as_its_control_does_is_rarely_told_from_it": "ci_low p_value",
    },
    "stability": {"stability": "tau_ci_low", "stability between seeds": "tau_ci_low"},
    "claims": {
        "claims": "ci_low difference_ci_low p_chance p_value verdict",
        "test_claims.py::test_without_an_effect_few_claims_hold": "p_chance p_value verdict",
        "test_claims.py::test_maps_of_noise_beat_nothing": "verdict",
    },
}  # fmt: skip
SAYS_HOW_SURE = re.compile(
    r"(.*_)?(ci_low|p_value)|p_(?!adjusted).*|verdict|significant|notices|beats_\w+"  # p_adjusted follows from p_value
)


def test_every_interval_p_value_and_verdict_is_simulated():
    there = {
        f"{name}.{column}"
        for name, entry in all_tables().items() for column in entry.columns if SAYS_HOW_SURE.fullmatch(column)
    }  # fmt: skip
    named = {
        f"{name}.{column}"
        for name, places in SIMULATED.items() for columns in places.values() for column in columns.split()
    }  # fmt: skip
    assert not there - named, (
        f"No test simulates what these columns say: {', '.join(sorted(there - named))}. Add a Case above (a known truth "
        "through the table's own function, many times), or such a test beside the table's others, and name it in SIMULATED."
    )
    assert not named - there, (
        f"SIMULATED names columns that are gone: {', '.join(sorted(named - there))}. Take them out."
    )


def test_simulations_that_are_named_are_there():
    places = {place for places in SIMULATED.values() for place in places}
    cases, tests = {case.name for case in CASES}, {place for place in places if "::" in place}
    assert places - tests == cases
    for place in tests:
        file, name = place.split("::")
        text = (Path(__file__).parent / file).read_text()
        assert re.search(rf"^def {name}\(", text, re.MULTILINE), (
            f"{place} is gone: name what simulates it now."
        )
