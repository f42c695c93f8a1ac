"""Read what people answered, and say what it tells."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from ..errors import VoxplainError
from ..statistics import adjust_p_values, mean_interval, mean_p_value
from .questions import ATTENTION, CONCEPT, INTRUDER, NAMING, RANDOM

# Words that say nothing of what is shown.
EMPTY_WORDS = frozenset("a an and are at in is it of on or the to with".split())


def read_answers(content: Any, questions: Sequence[Mapping[str, Any]], study: str) -> list[Any]:
    """The answers of one person, in the order of the questions.

    Parameters
    ----------
    content : parsed JSON of a file that the page saved
    questions : sequence of mapping
        The key's.
    study : str
        The key's.

    Returns
    -------
    list
        Place of the chosen example or None; the words, of questions for naming.

    Raises
    ------
    VoxplainError
        These are no answers, or those of another study.
    """
    if not isinstance(content, dict) or not isinstance(content.get("answers"), list):
        raise VoxplainError("This is no file of answers that the page of a study saved.")
    if content.get("study") != study:
        raise VoxplainError("These are answers to another study's questions.")
    given = [answer.get("answer") if isinstance(answer, dict) else None for answer in content["answers"]]
    if len(given) != len(questions):
        raise VoxplainError(f"There are {len(given)} answers to {len(questions)} questions.")
    for number, (answer, question) in enumerate(zip(given, questions, strict=True), 1):
        if question["kind"] == INTRUDER:
            right = type(answer) is int and 0 <= answer < question["shown_examples"]
        else:
            right = isinstance(answer, str)
        if not right:
            raise VoxplainError(f"Answer {number} is {answer!r:.40}: none that the page can give.")
    return given


def attentive(answers: Sequence[Any], questions: Sequence[Mapping[str, Any]]) -> bool:
    """Whether someone saw which clip is another where the others are all the same."""
    return all(
        answer == question["answer"]
        for answer, question in zip(answers, questions, strict=True)
        if question["shown"] == ATTENTION
    )


def study_tables(
    people: Sequence[Sequence[Any]], questions: Sequence[Mapping[str, Any]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the answers tell of concepts, beside random sets.

    Parameters
    ----------
    people : sequence of list
        Of `read_answers`; at least one.
    questions : sequence of mapping
        The key's.

    Returns
    -------
    table : DataFrame
        model, seed, layer; question (intruder: share of right answers; naming: share of pairs of people who used a word in common); shown
        (concept, random); value with interval and chance (NaN where it is not known); difference of concepts from their random sets
        with interval, p_value and p_adjusted; n_people, n_questions. Intervals are over people and questions as crossed random effects
        (intruder), or over questions (naming).
    by_concept : DataFrame
        model, seed, layer, class, concept, rank, question, value, n_people.
    """
    asked = pd.DataFrame(questions)
    rows, single = [], []
    measures = {INTRUDER: _right, NAMING: _in_common}
    for (model, seed, layer, kind), own in asked[asked["shown"] != ATTENTION].groupby(
        ["model", "seed", "layer", "kind"], sort=False
    ):
        place = {"model": model, "seed": seed, "layer": layer, "question": kind}
        values = {}
        for shown in (CONCEPT, RANDOM):
            some = own[own["shown"] == shown].sort_values("pair")
            values[shown] = measures[kind](people, some)
        difference = values[CONCEPT] - values[RANDOM]
        for shown, table in values.items():
            low, high = mean_interval(table, share=True)
            row = {**place, "shown": shown, "value": _mean(table), "ci_low": low, "ci_high": high}
            row["chance"] = float((1 / own["shown_examples"]).mean()) if kind == INTRUDER else np.nan
            if shown == CONCEPT:
                low, high = mean_interval(difference)
                row |= {"difference": _mean(difference), "difference_ci_low": low, "difference_ci_high": high}
                row["p_value"] = mean_p_value(difference)
            rows.append(row | {"n_people": len(people), "n_questions": table.shape[1]})
        concepts = own[own["shown"] == CONCEPT].sort_values("pair")
        means = [_mean(column) for column in values[CONCEPT].T]
        for (_, question), value in zip(concepts.iterrows(), means, strict=True):
            known = {
                "class": question["class_name"],
                "concept": int(question["concept"]),
                "rank": int(question["rank"]),
            }
            single.append({**place, **known, "value": value, "n_people": len(people)})
    table = pd.DataFrame(rows)
    table.insert(table.columns.get_loc("p_value") + 1, "p_adjusted", adjust_p_values(table["p_value"]))
    return table, pd.DataFrame(single)


def _right(people: Sequence[Sequence[Any]], questions: pd.DataFrame) -> np.ndarray:
    """(people, questions) float: 1 where the intruder was found."""
    return np.array(
        [
            [float(answers[number] == answer) for number, answer in questions["answer"].items()]
            for answers in people
        ]
    )


def _in_common(people: Sequence[Sequence[Any]], questions: pd.DataFrame) -> np.ndarray:
    """(1, questions) float: share of pairs of people who used a word in common; NaN of fewer than two people."""
    shares = []
    for number in questions.index:
        said = [words_of(answers[number]) for answers in people]
        pairs = [bool(a & b) for a, b in combinations(said, 2)]
        shares.append(np.mean(pairs) if pairs else np.nan)
    return np.array([shares], dtype=float)


def words_of(text: str) -> frozenset[str]:
    """Words that say something, in small letters and without a plural's s."""
    words = re.findall(r"\w+", text.casefold())
    return frozenset(
        word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
        for word in words
        if word not in EMPTY_WORDS
    )


def _mean(values: np.ndarray) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else np.nan
