"""Time of concept activation vectors beside loops over pairs: scikit-learn's classifier, and captum's for TCAV."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from captum.concept._utils.classifier import DefaultClassifier
from sklearn.linear_model import Ridge, SGDClassifier
from torch.utils.data import DataLoader, TensorDataset

from voxplain.concepts.cavs import cav_arrays

from .side_by_side import row, seconds

MEMBERS, HELD_OUT = 50, 17
# Values of an activation: of r3d's last layer, and of C3D's flattened; with the ratio to reach.
SIZES = {512: 5.0, 25_088: 20.0}
BY_MEANS, ALIKE = 100.0, 1.0


def run(*, quick: bool = False) -> list[dict]:
    """Rows of part, against, ratio, low, high, goal, met: the peer's time for all pairs over ours, above 1 is faster.

    The peer's is that of some pairs, times as many as there are.
    """
    concepts, sets, repeats, looked_at = (2, 3, 2, 1) if quick else (25, 80, 3, 4)
    rows = []
    for size, goal in ({64: 5.0, 600: 20.0} if quick else SIZES).items():
        members, negatives = activations(concepts, sets, size)
        pairs = [(members[n % concepts], negatives[n % sets]) for n in range(looked_at)]
        peers = {
            "ridge": {by_sgd: goal, by_captum: goal, by_ridge: ALIKE},
            "mean_difference": {by_sgd: BY_MEANS, by_captum: BY_MEANS},
            "sgd": {by_sgd: ALIKE},
        }
        for classifier, against in peers.items():
            # The authors' classifier takes long here, too: of one concept.
            some = members[:1] if classifier == "sgd" else members
            taken: dict[Callable, list[float]] = {}
            for _ in range(repeats):
                ours = partial(cav_arrays, some, negatives, classifier=classifier)
                taken.setdefault(cav_arrays, []).append(seconds(ours))
                for peer in against:
                    theirs = seconds(lambda peer=peer: [peer(*pair) for pair in pairs])
                    taken.setdefault(peer, []).append(theirs * len(some) * sets / looked_at)
            rows += [
                row(
                    f"CAVs of {len(some)} concepts against {sets} random sets, {size:,} values, {classifier}",
                    f"{peer.__doc__}, pair by pair",
                    np.array(taken[peer]),
                    np.array(taken[cav_arrays]),
                    goal=wanted,
                )
                for peer, wanted in against.items()
            ]
    return rows


def activations(concepts: int, sets: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Members of concepts (concepts, MEMBERS, size) and random sets, positive as after a ReLU, float32."""
    rng = np.random.default_rng(0)
    places = rng.normal(0, 0.2, size=(concepts, 1, size))
    members = np.maximum(places + rng.normal(size=(concepts, MEMBERS, size)), 0)
    return members.astype(np.float32), np.maximum(rng.normal(size=(sets, MEMBERS, size)), 0).astype(
        np.float32
    )


def by_sgd(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """scikit-learn's SGDClassifier"""
    # With the settings of 3D-ACE's code.
    return fitted_twice(
        SGDClassifier(alpha=0.01, max_iter=1000, tol=1e-3, random_state=0), positives, negatives
    )


def by_ridge(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """scikit-learn's Ridge, in closed form like ours"""
    return fitted_twice(Ridge(alpha=1.0, solver="cholesky"), positives, negatives)


def fitted_twice(machine: Any, positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """As ours: a fit for the accuracy of what is held out, and one to all samples, whose vector it is."""
    samples = np.concatenate([positives, negatives])
    targets = np.repeat([1, -1], [len(positives), len(negatives)])
    order = np.random.default_rng(0).permutation(len(samples))
    tested, trained = order[: 2 * HELD_OUT], order[2 * HELD_OUT :]
    found = machine.fit(samples[trained], targets[trained]).predict(samples[tested])
    _ = np.mean((found > 0) == (targets[tested] > 0))
    return machine.fit(samples, targets).coef_.ravel()


def by_captum(positives: np.ndarray, negatives: np.ndarray) -> torch.Tensor:
    """captum's classifier for TCAV"""
    # One fit, whose vector is that of what is not held out.
    samples = torch.from_numpy(np.concatenate([positives, negatives]))
    targets = torch.arange(2).repeat_interleave(torch.tensor([len(positives), len(negatives)]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it holds samples in memory
        machine = DefaultClassifier()
    machine.train_and_eval(DataLoader(TensorDataset(samples, targets), batch_size=len(samples)))
    return machine.weights()


if __name__ == "__main__":
    for line in run():
        print(line)
