"""What the tables say, in words: every number is a cell of a table, rounded."""

from __future__ import annotations

import pandas as pd

from ..figures import STYLES
from .formats import NOTHING, listing, percent, points

STRATEGIES = {name: label for name, (_, _, label) in STYLES.items()}
VERBS = {"concept_addition": "shown", "concept_removal": "hidden"}
EDITS = {
    "concept_addition": "With only its most important concepts shown",
    "concept_removal": "With its most important concepts hidden",
}

OTHERS = {
    "random": "random ones",
    "least": "the least important ones",
    "random_volume": "random supervoxels of the same volume",
}


def strategy(name: str) -> str:
    """What a strategy is called in the report."""
    return STRATEGIES.get(name, name)


def verdict(gap: pd.Series) -> str:
    """Whether a gap between two strategies is as the method promises: ``yes``, ``no``, ``opposite``.

    Where concepts are ranked well, showing those on top leaves a higher accuracy than showing others,
    and hiding them a lower one. ``no`` means that the interval includes 0.

    Parameters
    ----------
    gap : row of concept_gaps
    """
    if gap["ci_low"] <= 0 <= gap["ci_high"]:
        return "no"
    return "yes" if (gap["gap"] > 0) == (gap["experiment"] == "concept_addition") else "opposite"


def headline(tables: dict[str, pd.DataFrame]) -> str:
    """One sentence: do the concepts that score highest matter most to the networks?"""
    if "concept_gaps" not in tables:
        return ""
    gaps = tables["concept_gaps"]
    gaps = gaps[(gaps["better"] == "top") & gaps["worse"].isin(["random", "least"])]
    verdicts = [verdict(gap) for _, gap in gaps.iterrows()]
    kept, total = verdicts.count("yes"), len(verdicts)
    if not total:
        return ""
    if kept == total:
        answer = "Yes: the concepts that score highest are those that the networks rely on most."
    elif kept:
        answer = "In part: the concepts that score highest do not always matter more than others."
    else:
        answer = "No: it cannot be shown that the concepts that score highest matter more than others."
    opposite = verdicts.count("opposite")
    return (
        f"{answer} Of {total} comparisons with random and with the least important concepts, {kept} come out "
        "as they "
        f"should, {opposite} the other way round, and {total - kept - opposite} cannot be told from chance."
    )


def accuracy_sentences(accuracy: pd.DataFrame) -> list[str]:
    """A sentence per network on its test accuracy (table model_accuracy)."""
    sentences = []
    for model, rows in accuracy.groupby("model", sort=False):
        total, classes = rows[rows["label"] == "all"], rows[rows["label"] != "all"]
        first = total.iloc[0]
        chance = percent(1 / classes["label"].nunique())
        if len(total) == 1:
            share = f"{percent(first['accuracy'])} % (95 % interval {interval(first)} %)"
        else:
            low, high = percent(total["accuracy"].min()), percent(total["accuracy"].max())
            share = f"{low} to {high} %, depending on the seed ({len(total)} of them),"
        of = f"of {first['n_videos']} test videos; chance is {chance} %."
        sentence = f"{model} names the right class of {share} {of}"
        dead = classes.loc[classes["accuracy"] == 0, "label"].unique().tolist()
        if dead:
            sentence += f" It recognizes no video of {listing(dead)}."
        sentences.append(sentence)
    return sentences


def gap_sentences(gaps: pd.DataFrame) -> list[str]:
    """A sentence per experiment, network and layer on top against other strategies (table concept_gaps)."""
    top = gaps[gaps["better"] == "top"]
    return [
        f"{EDITS[experiment]}, {model} ({layer}) is right {_comparisons(rows)}."
        for (experiment, model, layer), rows in top.groupby(["experiment", "model", "layer"], sort=False)
    ]


def _comparisons(gaps: pd.DataFrame) -> str:
    """Top against the other strategies, those with the same outcome together."""
    outcomes: dict[str, list[str]] = {}
    for _, gap in gaps.iterrows():
        often = "more" if gap["gap"] > 0 else "less"
        outcome = "neither clearly more nor less" if verdict(gap) == "no" else often
        figures = f"{points(gap['gap'])} points, {interval(gap, points)}"
        outcomes.setdefault(outcome, []).append(f"{OTHERS.get(gap['worse'], gap['worse'])} ({figures})")
    return ", and ".join(
        f"{outcome} often than with {listing(others)}" for outcome, others in outcomes.items()
    )


def significance_sentences(scores: pd.DataFrame, alpha: float) -> list[str]:
    """A sentence per network and layer on how many concepts are significant (table concept_scores)."""
    return [
        f"Of {len(rows)} concepts of {model} ({layer}), {rows['significant'].sum()} score differently from "
        "random "
        f"concepts (false discovery rate {percent(alpha, 0)} %)."
        for (model, layer), rows in scores.groupby(["model", "layer"], sort=False)
    ]


def set_aside_sentence(set_aside: pd.DataFrame) -> str:
    """How many videos could not be used (table set_aside)."""
    if set_aside.empty:
        return "Every video could be used."
    one = len(set_aside) == 1
    return f"{len(set_aside)} video{' was' if one else 's were'} set aside; the reasons are below."


def curve_text(table: pd.DataFrame, experiment: str) -> str:
    """Alternative text for the curves of concept_addition or concept_removal."""
    parts = []
    for (model, layer), rows in table.groupby(["model", "layer"], sort=False):
        lines = [
            f"{strategy(name)} {', '.join(map(percent, line.sort_values('k')['accuracy']))}"
            for name, line in rows.groupby("strategy", sort=False)
        ]
        parts.append(f"{model}, {layer}: {'; '.join(lines)}; unedited {percent(rows['baseline'].iloc[0])}")
    k = f"{table['k'].min()} to {table['k'].max()}"
    return f"Curves of the accuracy in percent with {k} concepts {VERBS[experiment]}. {'. '.join(parts)}."


def concept_text(scores: pd.DataFrame, shown: int) -> str:
    """Alternative text for the picture of a class's most and least important concepts.

    Parameters
    ----------
    scores : DataFrame
        Rows of concept_scores of one class, network, seed and layer.
    shown : int
        Concepts shown from either end of the ranking.
    """
    scores = scores.sort_values("rank")
    shown = min(shown, len(scores) // 2)
    rows = pd.concat([scores.head(shown), scores.tail(shown)])
    lines = [
        f"rank {row['rank']}, score {row['score']:.2f}, in {row['n_videos']} videos"
        for _, row in rows.iterrows()
    ]
    return f"Frames of clips with a supervoxel outlined, one row per concept: {'; '.join(lines)}."


def interval(row: pd.Series, form=percent) -> str:
    """The interval of a row, ``low to high``."""
    if pd.isna(row["ci_low"]):
        return NOTHING
    return f"{form(row['ci_low'])} to {form(row['ci_high'])}"
