"""What the stages of the checks share: a class's answers, and its concepts as they lie in artifacts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax

from ..artifacts import open_h5, read_table
from ..models.trained import TrainedModel

OUTCOMES = ("probability", "logit")


def answers_of(
    model: TrainedModel, label: str, *, logits: bool = False
) -> Callable[[np.ndarray], np.ndarray]:
    """A function from clips (n, T, H, W, 3) uint8 to the class's probability.

    The probabilities are (n,) float; with `logits` it is (n, 2), by `OUTCOMES`.
    """
    number = model.classes.index(label)

    def answer(clips: np.ndarray) -> np.ndarray:
        found = model.logits(clips).astype(float)
        probability = softmax(found, axis=1)[:, number]
        return np.stack([probability, found[:, number]], axis=1) if logits else probability

    return answer


def read_rankings(
    concepts: Sequence[str | Path], scores: Sequence[str | Path]
) -> tuple[dict[str, np.ndarray], dict[str, pd.DataFrame]]:
    """Centres (concepts, d) and scores, in the order of the concepts' numbers, by class."""
    centres, tables = {}, {}
    for concept, score in zip(concepts, scores, strict=True):
        table = read_table(score, "class_scores").sort_values("concept", ignore_index=True)
        label = table["class"].iloc[0]
        tables[label] = table
        with open_h5(concept, "concepts") as file:
            centres[label] = file["centres"][()]
    return centres, tables
