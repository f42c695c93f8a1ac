"""Which method for which question: what a run's own tables advise, and what they cannot."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from .formats import listing, milliseconds, percent
from .panels import title_of
from .words import control

# Questions, with the claims of the table that answer them.
QUESTIONS = {
    "Where is what the network itself decides by": ("follows_network",),
    "Which class does a place speak for": ("follows_class",),
    "What lies on what decides the class": ("maps_on_evidence",),
    "What lies there among voxels that stand out alike": ("maps_beyond_pixels",),
    "What tells the object that decides from others": ("maps_among_objects",),
    "What to hide first, if the answer is to change": ("faithful",),
    "What depends on the network's last layer": ("notices_random_head",),
    "Which concepts lie on what decides the class": ("concepts_on_evidence",),
    "Which concepts the answer needs": ("removing_direction", "removing"),
    "Which concepts are enough for the answer": ("adding_direction", "adding"),
    "What lies on what moves": ("maps_on_motion",),
    "What of the relevance changes in time": ("selection_on_evidence", "selection_on_motion"),
}
UNEVEN = "uneven"  # verdict of position_bias that is a warning


def advice(tables: Mapping[str, pd.DataFrame]) -> list[tuple[str, list[str]]]:
    """Questions that the run's claims answer, with a sentence for each network.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        claims; and where they are there model_accuracy, position_bias and explanation_overhead.

    Returns
    -------
    list of (question, sentences)
        A method is advised where its verdict is yes. Elsewhere the one with the fewest rivals not beaten is named, and
        these rivals: whoever takes it should show them beside it.
    """
    claims = tables.get("claims")
    if claims is None:
        return []
    guessing = _guessing(tables.get("model_accuracy"))
    found = []
    for question, names in QUESTIONS.items():
        of_question = claims[claims["claim"].isin(names) & (claims["verdict"] != "too few")]
        sentences = [
            _sentence(model, rows, tables, guessing)
            for model, rows in of_question.groupby("model", sort=False)
        ]
        if sentences:
            found.append((question, sentences))
    return found


def _sentence(
    model: str, rows: pd.DataFrame, tables: Mapping[str, pd.DataFrame], guessing: Mapping[str, str]
) -> str:
    if model in guessing:
        return f"{model}: nothing yet; {guessing[model]}."
    best = min(rows.to_dict("records"), key=_place)
    missed = _missed(best)
    told = f"{model}: {title_of(best['method'])} ({best['measure']})"
    rivals = best["n_controls"] + 1
    if best["verdict"] == "yes":
        return f"{told}, which beats chance{_all_rivals(best['n_controls'])}{_but(model, best, tables)}."
    named = listing(["chance" if name == "chance" else control(name) for name in missed])
    if best["verdict"] == "opposite" or len(missed) == rivals:
        return f"{model}: nothing here; the nearest, {title_of(best['method'])} ({best['measure']}), does not beat {named}."
    told += f" beats {rivals - len(missed)} of {rivals} rivals"
    return (
        f"{told}, but not {named}: show that beside it{_but(model, best, tables)}."
        if missed
        else f"{told}, but not after correction for all claims{_but(model, best, tables)}."
    )


def _place(row: Mapping) -> tuple:
    return row["verdict"] != "yes", row["verdict"] == "opposite", len(_missed(row)), -row["n_controls"]


def _missed(row: Mapping) -> list[str]:
    return [name for name in str(row["not_beaten"] or "").split(", ") if name]


def _all_rivals(n_controls: int) -> str:
    return f" and {'its control' if n_controls == 1 else f'all {n_controls} controls'}" if n_controls else ""


def _but(model: str, best: Mapping, tables: Mapping[str, pd.DataFrame]) -> str:
    """What else to know of the method."""
    told = []
    sides = tables.get("position_bias")
    if sides is not None:
        own = sides[(sides["model"] == model) & (sides["method"] == best["method"])]
        if (own["verdict"] == UNEVEN).any():
            told.append("it leans to one side of the frame")
    cost = tables.get("explanation_overhead")
    if cost is not None:
        own = cost[
            (cost["model"] == model) & (cost["method"] == best["method"]) & ~cost["selective"].astype(bool)
        ]
        if len(own):
            told.append(f"{milliseconds(own['mean_ms'].iloc[0])} ms a clip")
    return f" ({'; '.join(told)})" if told else ""


def _guessing(accuracy: pd.DataFrame | None) -> dict[str, str]:
    """Networks that cannot be told from chance, with what is to be said of them."""
    if accuracy is None:
        return {}
    found = {}
    for model, rows in accuracy.groupby("model", sort=False):
        total = rows[rows["class"] == "all"]
        chance = 1 / max(rows.loc[rows["class"] != "all", "class"].nunique(), 1)
        if (total["ci_low"] <= chance).any():
            found[model] = (
                f"it is right for {percent(total['accuracy'].min())} % of the test videos, which is not surely more than "
                f"chance ({percent(chance)} %): train it better first"
            )
    return found
