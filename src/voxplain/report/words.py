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
    """One sentence: do the concepts that are ranked highest matter most to the networks?"""
    if "concept_gaps" not in tables:
        return ""
    gaps = tables["concept_gaps"]
    gaps = gaps[(gaps["better"] == "top") & gaps["worse"].isin(["random", "least"])]
    verdicts = [verdict(gap) for _, gap in gaps.iterrows()]
    kept, total = verdicts.count("yes"), len(verdicts)
    if not total:
        return ""
    if kept == total:
        answer = "Yes: the concepts that are ranked highest are those that the networks rely on most."
    elif kept:
        answer = "In part: the concepts that are ranked highest do not always matter more than others."
    else:
        answer = "No: it cannot be shown that the concepts that are ranked highest matter more than others."
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
        total, classes = rows[rows["class"] == "all"], rows[rows["class"] != "all"]
        first = total.iloc[0]
        chance = percent(1 / classes["class"].nunique())
        if len(total) == 1:
            share = f"{percent(first['accuracy'])} % (95 % interval {interval(first)} %)"
        else:
            low, high = percent(total["accuracy"].min()), percent(total["accuracy"].max())
            share = f"{low} to {high} %, depending on the seed ({len(total)} of them),"
        of = f"of {first['n_videos']} test videos; chance is {chance} %."
        sentence = f"{model} names the right class of {share} {of}"
        dead = classes.loc[classes["accuracy"] == 0, "class"].unique().tolist()
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
        f"Of {len(rows)} concepts of {model} ({layer}), {rows['significant'].sum()} can be told from random "
        f"subsets of supervoxels (false discovery rate {percent(alpha, 0)} %), as clusters can whatever the network uses."
        for (model, layer), rows in scores.groupby(["model", "layer"], sort=False)
    ]


def first_and_rest(text: str) -> tuple[str, str]:
    """The first sentence of a text, and what follows."""
    first, _, rest = text.partition(". ")
    return (f"{first}.", rest) if rest else (text, "")


def motion_verdict(row: pd.Series) -> str:
    """Whether what a map calls relevant moves more often than voxels do at large: ``more``, ``less``, ``no``.

    ``no`` means that the precision's interval includes the share of all voxels that move, which chance
    gives; also where there is no interval.

    Parameters
    ----------
    row : row of motion_precision
    """
    if row["ci_low"] > row["base_rate"]:
        return "more"
    return "less" if row["ci_high"] < row["base_rate"] else "no"


def motion_headline(tables: dict[str, pd.DataFrame]) -> str:
    """One sentence: does what the explanations call relevant move (table motion_precision)?"""
    if "motion_precision" not in tables:
        return ""
    table = tables["motion_precision"]
    verdicts = [motion_verdict(row) for _, row in table[~table["selective"].astype(bool)].iterrows()]
    more, less, total = verdicts.count("more"), verdicts.count("less"), len(verdicts)
    if not total:
        return ""
    if more == total:
        answer = "What the explanations call relevant moves more often than chance would have it."
    elif more > total / 2:
        answer = "What the explanations call relevant mostly moves more often than chance would have it."
    elif more:
        answer = "Only some explanations call relevant what moves more often than chance would have it."
    else:
        answer = "It cannot be shown that what the explanations call relevant moves more often than chance."
    return (
        f"{answer} Of {total} pairs of a network and an explainer, {more} lie above chance, {less} below, and "
        f"{total - more - less} cannot be told from it."
    )


def motion_sentences(tables: dict[str, pd.DataFrame], sigma: float) -> list[str]:
    """A sentence per network on how much of its relevance is motion, least to most over explainers.

    From the tables motion_precision and, if there, selected_share.
    """
    sentences = []
    for model, rows in tables["motion_precision"].groupby("model", sort=False):
        whole = rows[~rows["selective"].astype(bool)]
        selected = rows[rows["selective"].astype(bool)]
        sentence = (
            f"Of the voxels that the explanations of {model} call relevant, {span(whole['mean'])} % move, "
            f"against {span(whole['base_rate'])} % of all voxels"
        )
        if len(selected):
            sentence += f"; of those that selective relevance keeps, {span(selected['mean'])} % do"
        sentences.append(sentence + ".")
        if "selected_share" in tables:
            shares = tables["selected_share"]
            shares = shares[(shares["model"] == model) & (shares["share"] == "relevance")]
            if len(shares):
                sentences[-1] += (
                    f" {span(shares['mean'])} % of the relevance changes in time by more than {sigma:g} σ."
                )
    return sentences


def truth_sentences(table: pd.DataFrame) -> list[str]:
    """A sentence per network on whether relevance lies on what tells the classes apart.

    From the table ground_truth_precision, whose target ``cue`` is what tells classes apart where the actor
    does not, and ``actor`` the thing that acts.
    """
    sentences = []
    whole = table[~table["selective"].astype(bool) & (table["target"] == "actor")]
    for model, rows in whole.groupby("model", sort=False):
        if rows["precision"].notna().any():
            sentences.append(
                f"{span(rows['precision'])} % of what the explanations of {model} call relevant lies on the "
                f"shape that acts, which fills {span(rows['base_rate'])} % of the videos."
            )
    return sentences


def span(values: pd.Series) -> str:
    """The smallest to the largest of some fractions in percent, or the one that they all are."""
    known = values.dropna()
    if known.empty:
        return NOTHING
    low, high = percent(known.min()), percent(known.max())
    return low if low == high else f"{low} to {high}"


def certainty_sentences(tables: dict[str, pd.DataFrame], seeds: list[int]) -> list[str]:
    """What the intervals stand on, and what was left out."""
    sentences = []
    if len(seeds) == 1:
        sentences.append(
            f"One network of each kind was trained (seed {seeds[0]}): the intervals are over videos, and say "
            "nothing of what another training would give."
        )
    else:
        sentences.append(f"Intervals are over videos and over {len(seeds)} seeds.")
    if "set_aside" in tables:
        sentences.append(set_aside_sentence(tables["set_aside"]))
    return sentences


def intervals_text(rows: pd.DataFrame, what: str) -> str:
    """Alternative text for a chart of intervals: rows with name, value, ci_low and ci_high (fractions).

    Parameters
    ----------
    rows : DataFrame
        name, value, ci_low, ci_high and, where there is a chance level, chance.
    what : str
        What is drawn.
    """
    lines = []
    for _, row in rows.iterrows():
        line = f"{row['name']} {percent(row['value'])} ({interval(row)})"
        chance = row.get("chance", float("nan"))
        lines.append(line if pd.isna(chance) else f"{line}, chance {percent(chance)}")
    return f"{what}: {'; '.join(lines)}."


def set_aside_sentence(set_aside: pd.DataFrame) -> str:
    """How many videos could not be used, and how many are damaged (table set_aside)."""
    if set_aside.empty:
        return "Every video could be used."
    used = int(set_aside["used"].sum()) if "used" in set_aside else 0
    aside = len(set_aside) - used
    said = [f"{aside} video{' was' if aside == 1 else 's were'} set aside"] if aside else []
    said += [f"{used} video{' is' if used == 1 else 's are'} used though damaged"] if used else []
    return f"{' and '.join(said)}; the reasons are below."


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


def interval(row: pd.Series, form=percent) -> str:
    """The interval of a row, ``low to high``."""
    if pd.isna(row["ci_low"]):
        return NOTHING
    return f"{form(row['ci_low'])} to {form(row['ci_high'])}"
