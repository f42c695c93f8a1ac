"""Concept activation vectors against random sets (3D-ACE, section 2.2; TCAV)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import VoxplainError
from .classifiers import CLASSIFIERS


def train_cavs(
    positives: np.ndarray,
    random_sets: Sequence[np.ndarray],
    *,
    classifier: str = "ridge",
    options: dict[str, Any] | None = None,
    test_share: float = 1 / 3,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Learn one CAV of a concept against each random set.

    Both sides are cut to the size of the smaller one. The accuracy is that of a classifier fitted to
    the rest and tested on the held-out share; the vector comes from a fit to all of them.

    Parameters
    ----------
    positives : (n, d) float
        Activations of the concept's members.
    random_sets : sequence of (m, d) float, or (sets, m, d)
        Activations of the negatives, one array per random set.
    classifier : str
        Name in the registry of concept classifiers.
    options : dict, optional
        Its options.
    test_share : float
        Share of each side that is held out.
    seed : int
        Seed of the held-out choice.

    Returns
    -------
    vectors : (n_random_sets, d) float32
        Unit length, pointing towards the concept.
    accuracies : (n_random_sets,) float
        Held-out accuracies, in [0, 1].

    Raises
    ------
    VoxplainError
        A side has fewer than 3 samples, or a vector has no direction.
    """
    positives = np.asarray(positives, dtype=np.float64)
    size = min(len(positives), *(len(negatives) for negatives in random_sets))
    if size < 3:
        raise VoxplainError(
            f"A CAV needs at least 3 samples on each side, and there are {size}: "
            "raise concepts.min_supervoxels or cavs.set_size."
        )
    negatives = np.stack([np.asarray(s, dtype=np.float64)[:size] for s in random_sets])
    rng = np.random.default_rng(seed)
    order = rng.permuted(np.tile(np.arange(len(positives)), (len(negatives), 1)), axis=1)[:, :size]
    positives = positives[order]
    fit = CLASSIFIERS[classifier].function
    options = CLASSIFIERS[classifier].options(options)
    held_out = max(1, round(size * test_share))
    directions, offsets = fit(positives[:, held_out:], negatives[:, held_out:], **options)
    decide = lambda samples: np.einsum("snd,sd->sn", samples, directions) + offsets[:, None] > 0  # noqa: E731
    accuracies = (
        decide(positives[:, :held_out]).mean(axis=1) + 1 - decide(negatives[:, :held_out]).mean(axis=1)
    ) / 2
    directions, _ = fit(positives, negatives, **options)
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    if not np.all(lengths > 0) or not np.isfinite(lengths).all():
        raise VoxplainError(
            "A CAV has no direction, because concept and random set have the same activations: "
            "choose another layer, or check that the network's weights are not constant."
        )
    return (directions / lengths).astype(np.float32), accuracies


def concept_distances(
    positives: np.ndarray, random_sets: Sequence[np.ndarray], vectors: np.ndarray
) -> np.ndarray:
    """How far a concept's members lie from each random set along its CAV, on average.

    Parameters
    ----------
    positives : (n, d) float
        Activations of the concept's members.
    random_sets : sequence of (m, d) float, or (sets, m, d)
    vectors : (sets, d) float
        CAVs of unit length, as from `train_cavs`.

    Returns
    -------
    (sets,) float32 : in units of the activation
    """
    negatives = np.stack([np.asarray(negatives, dtype=np.float64).mean(axis=0) for negatives in random_sets])
    gaps = np.asarray(positives, dtype=np.float64).mean(axis=0) - negatives
    return np.einsum("sd,sd->s", np.asarray(vectors, dtype=np.float64), gaps).astype(np.float32)


def cav_arrays(
    concepts: Iterable[np.ndarray], random_sets: np.ndarray, *, seed: int = 0, **options: Any
) -> dict[str, np.ndarray]:
    """CAVs of several concepts, as the artifact ``cavs`` holds them.

    Parameters
    ----------
    concepts : iterable of (n, d) float
        Members of each.
    random_sets : (sets, m, d) float
    seed, options
        As for `train_cavs`.

    Returns
    -------
    dict
        vectors (concepts, sets, d) float32, distances and accuracies (concepts, sets) float.
    """
    found: dict[str, list[np.ndarray]] = {"vectors": [], "distances": [], "accuracies": []}
    for members in concepts:
        vectors, accuracies = train_cavs(members, random_sets, seed=seed, **options)
        found["vectors"].append(vectors)
        found["distances"].append(concept_distances(members, random_sets, vectors))
        found["accuracies"].append(accuracies)
    return {name: np.stack(arrays) for name, arrays in found.items()}
