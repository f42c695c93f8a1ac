"""A class's answers, as the checks ask a network for them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy

from ..models.trained import TrainedModel

OUTCOMES = ("probability", "logit")


def answers_of(
    model: TrainedModel, class_name: str, *, logits: bool = False
) -> Callable[[np.ndarray], np.ndarray]:
    """A function from clips (n, T, H, W, 3) uint8 to the class's probability.

    The probabilities are (n,) float; with `logits` it is (n, 2), by `OUTCOMES`.
    """
    number = model.classes.index(class_name)

    def answer(clips: np.ndarray) -> np.ndarray:
        found = model.logits(clips).astype(float)
        probability = scipy.special.softmax(found, axis=1)[:, number]
        return np.stack([probability, found[:, number]], axis=1) if logits else probability

    return answer


def answers_of_two(model: TrainedModel, class_name: str, other: str) -> Callable[[np.ndarray], np.ndarray]:
    """A function from clips (n, T, H, W, 3) uint8 to (n, 3) float: the class's probability, its logit less the
    other class's, and the other's probability."""
    own, rival = model.classes.index(class_name), model.classes.index(other)

    def answer(clips: np.ndarray) -> np.ndarray:
        found = model.logits(clips).astype(float)
        probability = scipy.special.softmax(found, axis=1)
        margin = found[:, own] - found[:, rival]
        return np.stack([probability[:, own], margin, probability[:, rival]], axis=1)

    return answer
