"""Final tables of concepts that the config gives: what each is worth to every class, and over classes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...statistics import adjust_p_values, group_values, mean_interval
from ...tables import Figure, table, video_groups
from .summary import mark_by_source, summarize_given

PLACE = ["name", "model", "seed", "layer", "source", "class"]
STEERINGS = ("removal", "addition")
OTHERS = ("random_direction", "random_concept")
SCORED = """name model seed layer class source n_examples n_null_members score score_sd derivative effect effect_ci_low effect_ci_high
p_clusters p_gradients p_value p_adjusted significant cav_accuracy rank_among_found n_found""".split()


@table(
    "given_concepts",
    part="concepts",
    title="Given concepts",
    meaning="What the concepts that the config gives are worth to every class, scored, tested and steered as found ones are, beside their controls.",
    columns="""
    name: of the concept in concepts.given
    model, seed, layer, class
    source: given, or control: the same of what it is compared with
    n_examples: of the class
    n_null_members: of the concepts found in random videos that p_clusters compares with, mean; fewer than n_examples where the run has too few clips for as many
    score: share of clips whose class logit rises along the concept's direction (equation 2), mean over random sets
    score_sd: standard deviation of the score over random sets
    derivative: mean directional derivative (equation 1), in logits per unit along the CAV
    effect: derivative times the way from random samples to the examples, in logits
    effect_ci_low: lower end of its 95 % interval; units are the class's discovery videos, and the direction is taken as given
    effect_ci_high: upper end of its 95 % interval
    p_clusters: that concepts found in random videos, of n_null_members, have such an effect (two-sided rank)
    p_gradients: that the gradients of networks with random weights above the layer, made as long, give such an effect (two-sided rank)
    p_value: the greater of the two, as in concept_scores
    p_adjusted: p_value after Benjamini and Hochberg, over the classes of a name, network, seed, layer and source
    significant: p_adjusted is at most scores.alpha
    cav_accuracy: held-out accuracy of the CAVs, mean over random sets
    rank_among_found: place that it would have among the class's found concepts
    n_found: how many these are
    removal: change of the class's logit on its test clips when the direction is removed from the layer, as in concept_steering
    removal_ci_low: lower end of its 95 % interval; units are test videos, or groups of them
    removal_ci_high: upper end of its 95 % interval
    removal_random_direction: the same of as large changes along random directions
    removal_random_concept: the same of as large changes along concepts of random videos
    addition: change of the logit when all positions move by the way to the examples
    addition_ci_low: lower end of its 95 % interval
    addition_ci_high: upper end of its 95 % interval
    addition_random_direction: the same of as large changes along random directions
    addition_random_concept: the same of as large changes along concepts of random videos
    n_videos: test videos
    """,
    inputs={"scores": "given_scores", "steered": "steered_given"},
    options={"alpha": "scores.alpha"},
    needs={"given_concepts"},
    figure=Figure("given_concepts_figure", {"table": "given_concepts", "summary": "given_summary"}),
)
def given_concepts_table(scores: pd.DataFrame, steered: pd.DataFrame, *, alpha: float = 0.05) -> pd.DataFrame:
    """Scores of given concepts with what steering by them does.

    Parameters
    ----------
    scores : DataFrame
        name, and the columns of `voxplain.concepts.given.compute.score_members`.
    steered : DataFrame
        name, model, seed, layer, and the columns of `voxplain.concepts.given.steer.steer_directions`.
    alpha : float
        Level of the false discovery rate.
    """
    groups = video_groups(steered)
    steered = steered[steered["norm"] == np.where(steered["control"] == "none", "own", "matched")]
    means = steered.groupby([*PLACE, "steering", "control", "video"], sort=False)["change_of_logit"].mean()
    rows = []
    for key, group in means.groupby(PLACE, sort=False):
        row = dict(zip(PLACE, key, strict=True)) | {
            "n_videos": group.index.get_level_values("video").nunique()
        }
        for (steering, control), values in group.groupby(["steering", "control"]):
            own = control == "none"
            row[steering if own else f"{steering}_{control}"] = values.mean()
            if own:
                of = None if groups is None else groups.loc[values.index.get_level_values("video")]
                low, high = mean_interval(group_values(values.to_numpy(), of))
                row |= {f"{steering}_ci_low": low, f"{steering}_ci_high": high}
        rows.append(row)
    ends = [f"{s}{end}" for s in STEERINGS for end in ("", "_ci_low", "_ci_high", *(f"_{o}" for o in OTHERS))]
    found = pd.DataFrame(rows).reindex(columns=[*PLACE, *ends, "n_videos"])
    marked = mark_by_source(scores, alpha=alpha)
    return marked[SCORED].merge(found, how="left", on=PLACE)


@table(
    "given_summary",
    part="concepts",
    title="Given concepts over classes",
    meaning="What given concepts and their controls are worth on average over classes and seeds, and the difference of the two.",
    columns="""
    name: of the concept in concepts.given
    model, layer
    source: given; control; given less control (of the classes that have both)
    measure: effect, removal or addition, as in given_concepts; with _beyond_random_direction or _beyond_random_concept after it less that of as large changes along these
    value: in logits, mean over classes and seeds
    ci_low: lower end of its 95 % interval; units are classes, and seeds
    ci_high: upper end of its 95 % interval
    p_value: that the value is 0, over classes and seeds
    p_adjusted: p_value after Benjamini and Hochberg, over the table
    n_significant: of the n rows of given_concepts, those with a positive and significant effect; of the measure effect
    n: rows that the value is the mean of
    n_classes, n_seeds
    """,
    inputs={"table": "given_concepts"},
    needs={"given_concepts"},
)
def given_summary_table(table: pd.DataFrame) -> pd.DataFrame:
    """Means of given concepts over classes and seeds.

    Parameters
    ----------
    table : DataFrame
        As of `given_concepts_table`.
    """
    measures = {"effect": table["effect"]}
    for steering in STEERINGS:
        measures[steering] = table[steering]
        for other in OTHERS:
            measures[f"{steering}_beyond_{other}"] = table[steering] - table[f"{steering}_{other}"]
    parts = []
    for name, rows in table.groupby("name", sort=False):
        for measure, values in measures.items():
            found = summarize_given(rows.assign(effect=values[rows.index]))
            parts.append(found.rename(columns={"effect": "value"}).assign(name=name, measure=measure))
    found = pd.concat(parts, ignore_index=True)
    counted = (found["measure"] == "effect") & (found["source"] != "given less control")
    found["n_significant"] = found["n_significant"].where(counted).astype("Int64")
    found["p_adjusted"] = adjust_p_values(found["p_value"])
    found = found[
        "name model layer source measure value ci_low ci_high p_value p_adjusted n_significant n n_classes n_seeds".split()
    ]
    return found.sort_values(["name", "model", "layer"], kind="stable", ignore_index=True)
