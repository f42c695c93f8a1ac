"""Simulated truths through the tables' own functions: what is called a 95 % interval covers, and a true null is rejected
as rarely as its p-value says.

A table is added with a `Case`: how its inputs are simulated, many times at once, each time as another model; the
function; and what is read from the table. Sizes are those of real runs: 6 classes, 6 or 12 videos, 1 or 3 seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from voxplain.checks.concept_ablation.table import concept_ablation_agreement_table, concept_ablation_table
from voxplain.checks.concept_motion.table import concept_motion_table
from voxplain.checks.evidence_or_motion.table import evidence_or_motion_table
from voxplain.checks.faithfulness.table import faithfulness_controls_table, faithfulness_table
from voxplain.checks.motion_reliance.table import motion_reliance_table
from voxplain.checks.presets.table import presets_table
from voxplain.checks.randomization.table import randomization_table
from voxplain.checks.stability.table import stability_table
from voxplain.models.tables import accuracy_table

FEW, MANY = 150, 600  # replicates, of tables that take long and of others
NO_GAPS = pd.DataFrame(columns=["better", "worse"])


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
        names that start with ``yes`` bool arrays of which verdicts say so, where there is nothing to be found.
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
    """Which intervals of a column hold the truth; those that are not there are left out."""
    low, high = (table[end].dropna() for end in (f"{name}_ci_low", f"{name}_ci_high"))
    assert len(low) > 0.95 * len(table), f"{name}: {len(low)} of {len(table)} intervals"
    return ((low <= truth) & (truth <= high)).to_numpy()


# ---- faithfulness: a method as good as its best control -------------------------------------------------


def simulate_curves(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    level = design.draw(rng, 0.5)
    areas = {
        ("method", ""): level + design.draw(rng),
        ("control_saturation", ""): level,
        ("random", ""): level + 5,
    }
    parts = [
        design.rows(probability=values, margin=values, share=share)
        .assign(method=method, control_of=control_of, draw=0, fill="mean", curve="deletion", chance=0.2)
        for (method, control_of), values in areas.items() for share in (0.0, 1.0)
    ]  # fmt: skip
    return {"curves": pd.concat(parts, ignore_index=True)}


def read_faithfulness(table: pd.DataFrame) -> dict[str, np.ndarray]:
    rows = table[(table["method"] == "method") & (table["outcome"] == "probability")]
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
    unrelated = unrelated.rename(columns={"ci_low": "value_ci_low", "ci_high": "value_ci_high"})
    return {
        "left": covers(random, "left", 0.5),
        "fall": covers(random, "fall", 0.3),
        "unrelated": covers(unrelated, "value", 0.4),
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
        rows = rows.rename(columns={"ci_low": "value_ci_low", "ci_high": "value_ci_high"})
        found |= {measure: covers(rows, "value", truth), f"{measure}_fall": covers(rows, "fall", 0.0)}
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


# ---- concepts and motion --------------------------------------------------------------------------------


def simulate_reliance(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    clips = design.rows(still=design.draw(rng, 0.3), relevance_on_motion=design.draw(rng, 0.5))
    clips = clips.assign(probability=0.8, moving_share=0.2, method="dtd", **{"class": "a"})
    concepts = pd.DataFrame(columns=["model", "seed", "layer", "class", "concept", "effect", "moving_share"])
    return {"clips": clips, "concepts": concepts}


def simulate_shares(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    names = ["volume_share", "moving_share", "relevance_share", "selective_share"]
    shares = design.rows(**{name: design.draw(rng, 0.4) for name in names})
    shares = shares.assign(concept=0, method="dtd", **{"class": "a"})
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
    rows = rows[rows["direction"] == "effect"].rename(
        columns={"ci_low": "tau_ci_low", "ci_high": "tau_ci_high"}
    )
    return {"tau": covers(rows, "tau", 0), "p_value": rows["p_value"].to_numpy()}


# ---- presets and networks -------------------------------------------------------------------------------


def simulate_presets(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    agreement = design.rows("class", kept=design.draw(rng, 4.0), tau=design.draw(rng, 0.5))
    columns = ["model", "seed", "layer", "variant", "class", "experiment", "cav_accuracy"]
    shares = design.rows(selected_share=design.draw(rng, 0.2), motion_precision=design.draw(rng, 0.5))
    return {
        "scores": pd.DataFrame(columns=columns),
        "edits": pd.DataFrame(columns=columns),
        "agreement": agreement.assign(variant="corrected"),
        "selections": shares.assign(variant="corrected", method="dtd"),
    }


def simulate_answers(rng: np.random.Generator, design: Design) -> dict[str, Any]:
    right = rng.random((design.replicates, design.seeds, design.units)) < 0.7
    answers = design.rows(right=right).assign(**{"class": "a"})
    return {"predictions": answers.assign(predicted=np.where(answers["right"], "a", "b"))}


def read_answers(table: pd.DataFrame) -> dict[str, np.ndarray]:
    rows = table[table["class"] == "all"]
    return {"accuracy": covers(rows.rename(columns={"ci_low": "a_ci_low", "ci_high": "a_ci_high"}), "a", 0.7)}


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
        rows = rows.rename(columns={"ci_low": "v_ci_low", "ci_high": "v_ci_high"})
        known[f"{measure}, {name}, {subset}"] = covers(rows, "v", truth)
        if measure != "evidence" or name != "whole" or subset != "all":
            known[f"p of {measure}, {name}, {subset}"] = rows["p_value"].to_numpy()
    return known


EVERY = ((1, 6, 0.0), (1, 12, 0.0), (3, 6, 0.0), (3, 6, 0.1), (3, 12, 0.0), (3, 12, 0.1))
ONE_SEED = ((1, 6, 0.0), (1, 12, 0.0))
CASES = [
    Case("faithfulness", simulate_curves, faithfulness_table, read_faithfulness, replicates=FEW),
    Case("faithfulness_controls", simulate_curves, faithfulness_controls_table, read_faithfulness, replicates=FEW),
    Case("randomization of maps", simulate_likeness, randomization_table, read_likeness, replicates=FEW),
    Case("randomization of orders", simulate_orders, randomization_table, read_orders,
         designs=((1, 6, 0.0), (3, 6, 0.0)), replicates=FEW),
    Case("stability", simulate_choices, stability_table, lambda table: {"tau": covers(table, "tau", 0.4)}, EVERY),
    Case("motion_reliance", simulate_reliance, motion_reliance_table, lambda table: {
        name: covers(table, name, 0.5) for name in ("reliance", "relevance_on_motion")}, replicates=2 * FEW),
    Case("concept_motion", simulate_shares, concept_motion_table, lambda table: {
        name: covers(table, name, 0.4) for name in ("volume_share", "selective_share")}, ONE_SEED),
    Case("concept_ablation", simulate_ablation, concept_ablation_table, lambda table: {
        name: covers(table, name, truth) for name, truth in (("total_effect", 0.25), ("mean_effect", 1))}, ONE_SEED),
    Case("concept_ablation_agreement", simulate_agreement, concept_ablation_agreement_table, read_agreement,
         ((1, 6, 0.0), (3, 6, 0.0)), FEW),
    Case("presets", simulate_presets, presets_table, lambda table: {
        name: covers(table, name, truth) for name, truth in
        {"kept": 4.0, "tau": 0.5, "selected_share": 0.2, "motion_precision": 0.5}.items()}, replicates=FEW),
    Case("evidence_or_motion", simulate_subsets, evidence_or_motion_table, read_subsets, replicates=FEW),
    Case("model_accuracy", simulate_answers, accuracy_table, read_answers, ((1, 12, 0.0), (1, 20, 0.0))),
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
        elif values.dtype == bool:
            # Where seeds add nothing, allowing for them covers more.
            most = 0.97 if design.seeds == 1 else 0.985
            assert 0.92 - tolerance <= values.mean() <= most + tolerance, (name, values.mean())
        else:
            least = 0.03 - tolerance if design.seeds == 1 else 0
            rejected = (values <= 0.05).mean()
            assert least <= rejected <= 0.07 + tolerance, (name, rejected)
