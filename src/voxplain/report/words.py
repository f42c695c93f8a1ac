"""What the tables say, in words: every number is a cell of a table, rounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ..figures import STYLES
from .formats import NOTHING, listing, number, percent, points

OVER = "over videos, or their groups where they have them"  # what intervals are over
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
    "score": "those of the paper's score",
    "other_class": "another class's most important ones",
    "predicted": "those of the predicted class",
}
CONTROLS = {
    "saturation": "most saturated",
    "redness": "reddest",
    "blueness": "bluest",
    "brightness": "brightest",
    "contrast": "of the greatest contrast",
    "still_contrast": "of the greatest contrast in what stands still",
    "frame_difference": "most changing",
    "motion": "most moving",
    "size": "largest",
    "center": "nearest the frame's center",
    "pool_distance": "farthest from the pool's mean",
    "member_logit": "of the highest logit alone",
}


def strategy(name: str) -> str:
    """What a strategy is called in the report."""
    if name in STRATEGIES:
        return STRATEGIES[name]
    return _other(name)


def _other(name: str) -> str:
    """Concepts of a strategy that top is compared with."""
    if name.endswith("_least"):
        return f"{_other(name.removesuffix('_least'))}, reversed"
    control = name.removeprefix("control_")
    return f"those {CONTROLS.get(control, control)}" if control != name else OTHERS.get(name, name)


def answer(claims: pd.DataFrame, names: Sequence[str]) -> str:
    """What a run says to a question: whether the claims of these names hold, as the table claims has judged them.

    Parameters
    ----------
    claims : DataFrame
        The table claims.
    names : sequence of str
        Claims that belong to the question.
    """
    claims = claims[claims["claim"].isin(names)]
    verdicts = claims["verdict"].tolist()
    total, kept = len(verdicts), verdicts.count("yes")
    if not total:
        return ""
    statement = listing(list(dict.fromkeys(claims["statement"])))
    if kept == total:
        start = f"Yes: {statement}."
    elif kept:
        start = f"In part: {statement}, in {kept} of {total} comparisons."
    else:
        start = f"No: it cannot be shown that {statement}."
    opposite, few = verdicts.count("opposite"), verdicts.count("too few")
    text = (
        f"{start} Of {total} comparisons, {kept} beat chance and every control, {opposite} come out the other way round, "
        f"{few} have too few data or no control, and {total - kept - opposite - few} cannot be told from chance or from a "
        "control."
    )
    missed = claims["not_beaten"].str.split(", ").explode().replace("", None).dropna().value_counts()
    return text + (
        f" Not beaten most often: {control(missed.index[0])} ({missed.iloc[0]})." if len(missed) else ""
    )


QUESTIONS = {
    "What the networks look at": (
        "follows_network",
        "follows_class",
        "adding",
        "removing",
        "removing_direction",
        "given_concepts",
        "concepts_on_evidence",
        "maps_on_evidence",
        "maps_beyond_pixels",
        "maps_among_objects",
    ),
    "How much of it is motion": ("maps_on_motion", "selection_on_motion"),
}


def claim_sentences(claims: pd.DataFrame | None, names: Sequence[str]) -> list[str]:
    """The answer to each claim that the run has of these."""
    return [] if claims is None else [text for name in names if (text := answer(claims, [name]))]


def stability_sentences(stability: pd.DataFrame | None) -> list[str]:
    """How sure each network's ranking of concepts is, and what would make it surer (table stability)."""
    if stability is None:
        return []
    sentences = []
    for (model, layer), rows in stability[stability["tau"].notna()].groupby(["model", "layer"], sort=False):
        halves = rows[rows["what"] == "videos"]
        most = halves.loc[halves["value"].astype(int).nlargest(1).index]
        draws = rows[rows["what"] == "draws"]
        told = []
        if len(draws):
            told.append(f"found again with other seeds it agrees by tau {draws['tau'].mean():.2f}")
        if len(most):
            told.append(
                f"found in two halves of {most['value'].item()} videos or groups each by {most['tau'].item():.2f}"
            )
        if not told:
            continue
        mend = " More discovery videos per class, or fewer clusters, would make it surer."
        if not most["stable"].all():
            what = "is not stable: too few videos to rank"
        elif not draws["stable"].all():
            what = "is not stable: other seeds of clustering give another one"
        else:
            what, mend = "is stable", ""
        sentences.append(
            f"The ranking of {model}'s concepts at {layer} {what}; {' and '.join(told)} (1: the same).{mend}"
        )
    return sentences


def claim_summary(claims: pd.DataFrame) -> pd.DataFrame:
    """statement, yes, n (comparisons), opposite and missed (what was not beaten most often) of each claim, in order."""
    rows = []
    for statement, group in claims.groupby("statement", sort=False):
        missed = group["not_beaten"].str.split(", ").explode().replace("", None).dropna().value_counts()
        counts = {name: int((group["verdict"] == name).sum()) for name in ("yes", "opposite", "too few")}
        most = f"{control(missed.index[0])} ({missed.iloc[0]})" if len(missed) else ""
        rows.append(
            {"statement": statement, "yes": counts["yes"], "n": len(group)} | counts | {"missed": most}
        )
    return pd.DataFrame(rows)


def by_statement(claims: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The comparisons of each claim, with its statement as a sentence begins."""
    return [(f"{text[:1].upper()}{text[1:]}", rows) for text, rows in claims.groupby("statement", sort=False)]


def control(name: str) -> str:
    """What a control is called in the report."""
    named = {"random": "random order", "whole": "the whole map", "": NOTHING}
    if name in named:
        return named[name]
    plain, reverse = name.removeprefix("control_"), name.endswith("_least")
    plain = plain.removesuffix("_least")
    if plain.startswith("activation_answer"):
        its = plain.removeprefix("activation_answer").strip("_")
        plain = "the answer, painted on the activation's norm" + (f" and {its}'s supervoxels" if its else "")
    else:
        plain = plain.replace("_", " ")
    return f"{plain}, reversed" if reverse else plain


def accuracy_sentences(accuracy: pd.DataFrame) -> list[str]:
    """A sentence per network on its test accuracy (table model_accuracy)."""
    sentences = []
    for model, rows in accuracy.groupby("model", sort=False):
        total, classes = rows[rows["class"] == "all"], rows[rows["class"] != "all"]
        first = total.iloc[0]
        chance = percent(1 / classes["class"].nunique())
        if len(total) == 1:
            share = f"{percent(first['accuracy'])} %{interval(first, told='95 % interval {} %')}"
        else:
            low, high = percent(total["accuracy"].min()), percent(total["accuracy"].max())
            share = f"{low} to {high} %, depending on the seed ({len(total)} of them),"
        of = f"of {first['n_videos']} test videos; chance is {chance} %."
        sentence = f"{model} names the right class of {share} {of}"
        best = classes.groupby("class", sort=False)["accuracy"].max()
        dead = best.index[best == 0].tolist()
        if dead:
            sentence += f" It recognizes no video of {listing(dead)}."
        sentences.append(sentence)
    return sentences


def gap_sentences(gaps: pd.DataFrame) -> list[str]:
    """A sentence per experiment, network and layer on top against other strategies (table concept_gaps)."""
    top = gaps[gaps["better"] == "top"]
    return [
        f"{EDITS[experiment]}, {model} ({layer}) is right more often (less where negative), in points, than with "
        f"{listing([_gap(gap) for _, gap in rows.iterrows()])}."
        for (experiment, model, layer), rows in top.groupby(["experiment", "model", "layer"], sort=False)
    ]


def _gap(gap: pd.Series) -> str:
    return f"{_other(gap['worse'])} by {points(gap['gap'])}{interval(gap, points)}"


def steering_sentences(gaps: pd.DataFrame, agreement: pd.DataFrame) -> list[str]:
    """A sentence per network and layer on what removing directions does (tables steering_gaps and steering_agreement)."""
    sentences = []
    removed = gaps[
        (gaps["steering"] == "removal") & (gaps["concepts"] == "first") & (gaps["subset"] == "all")
    ]
    for (model, layer), rows in removed.groupby(["model", "layer"], sort=False):
        by_measure = dict(list(rows.groupby("measure")))
        accuracy, logit = by_measure["accuracy"].iloc[0], by_measure["absolute_logit"]
        times = [
            f"{number(row['times'])} times{interval(row, number, 'times_')} as much as {_direction(row)}"
            for _, row in logit[logit["control"].isin(["random_direction", "random_concept"])].iterrows()
        ]
        taus = agreement[(agreement["model"] == model) & (agreement["layer"] == layer)]
        tau = taus[(taus["steering"] == "removal") & (taus["other"] == "effect")].iloc[0]
        sentences.append(
            f"Removing the direction of a class's first concept costs {model} ({layer}) {percent(accuracy['value'])} points "
            f"of accuracy and changes the logit {listing(times)}; its order of concepts agrees with the effect's by a tau "
            f"of {number(tau['tau'])}{interval(tau, number)}."
        )
    return sentences


def given_sentences(summary: pd.DataFrame) -> list[str]:
    """A sentence per given concept, network and layer (table given_summary)."""
    sentences = []
    for (name, model, layer), rows in summary.groupby(["name", "model", "layer"], sort=False):
        cells = {(row["source"], row["measure"]): row for _, row in rows.iterrows()}
        effect, removal = cells["given", "effect"], cells["given", "removal"]
        beyond = cells["given", "removal_beyond_random_concept"]
        told = (
            f"{name}: its effect on {model} ({layer}) is {number(effect['value'])} logits on average over "
            f"classes{interval(effect, number)}, positive and significant for {effect['n_significant']} of {effect['n']}"
        )
        if ("control", "effect") in cells:
            less = cells["given less control", "effect"]
            told += f", and {number(less['value'])}{interval(less, number)} more than its control's"
        sentences.append(
            f"{told}. Removing its direction changes the class's logit by {number(removal['value'])}, "
            f"{number(beyond['value'])}{interval(beyond, number)} more than removing as much along random concepts."
        )
    return sentences


def _direction(row: pd.Series) -> str:
    what = {"random_direction": "a random direction", "random_concept": "a random concept"}[row["control"]]
    return f"an equally large change along {what}" if row["norm"] == "matched" else what


def first_and_rest(text: str) -> tuple[str, str]:
    """The first sentence of a text, and what follows."""
    first, _, rest = text.partition(". ")
    return (f"{first}.", rest) if rest else (text, "")


def motion_sentences(tables: dict[str, pd.DataFrame], sigma: float) -> list[str]:
    """A sentence per network on how much of its relevance is motion, least to most over explainers.

    From the tables motion_precision and, if there, selected_share.
    """
    sentences = []
    for model, rows in explainers_alone(tables["motion_precision"]).groupby("model", sort=False):
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


def truth_sentence(config: Mapping[str, Any]) -> str:
    """What is known of a run's videos, by its whole config."""
    if config["data"]["path"] is None:  # every other data set has a path
        return (
            "Of the embedded videos it is known which voxels decide the class (evidence), which are other objects "
            "(distractor), which the acting shape (actor) fills, which tell classes apart without acting (cue), and which "
            "move."
        )
    targets = config["truth"]["targets"]
    evidence = "evidence: all that is labeled" if targets is None else "evidence"
    others = [name for name in targets or {} if name != "evidence"]
    named = f", and which are {listing(others)} (truth.targets in the config)" if others else ""
    return (
        f"The videos' masks or boxes say which voxels decide the class ({evidence}){named}; files of flow, where there are "
        "any, say which move."
    )


def explainers_alone(table: pd.DataFrame) -> pd.DataFrame:
    """A table's rows but for those of controls."""
    return table[~(table["method"].str.startswith("control_") | (table["method"] == "random"))]


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
            f"One network of each kind was trained (seed {seeds[0]}): the intervals are {OVER}, and say "
            "nothing of what another training would give."
        )
    else:
        sentences.append(f"Intervals are {OVER}, and over {len(seeds)} seeds.")
    if "concept_gaps" in tables:
        sentences.append("Of rankings of concepts they are over classes, whose videos share one ranking.")
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
        line = f"{row['name']} {percent(row['value'])}{interval(row)}"
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


def set_aside_title(set_aside: pd.DataFrame) -> str:
    """What the videos of the table set_aside are, which may be used though damaged."""
    used = set_aside["used"].astype(bool)
    if used.any():
        return "Videos used though damaged" if used.all() else "Videos set aside, or used though damaged"
    return "Videos set aside"


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


def interval(row: pd.Series, form=percent, prefix: str = "", told: str = "{}") -> str:
    """The interval of a row as it follows a value, `` (low to high)``; nothing where there is none."""
    low, high = row[f"{prefix}ci_low"], row[f"{prefix}ci_high"]
    return "" if pd.isna(low) else f" ({told.format(f'{form(low)} to {form(high)}')})"
