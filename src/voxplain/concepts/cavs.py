"""Concept activation vectors against random sets (3D-ACE, section 2.2; TCAV)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from ..errors import VoxplainError
from .classifiers import CLASSIFIERS

AT_ONCE = 32  # concepts, whose inner products with all random sets are in memory
SETS_AT_ONCE = 8  # of which there is a vector for each of these concepts
JITTER = 1e-11  # of the samples' mean square, so that samples that occur twice have coordinates, too
NO_DIRECTION = 1e-9  # of what a sum would be if none of its terms cancelled: nothing but rounding


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
        A side has fewer than 3 samples, activations are not finite, or a vector has no direction.
    """
    found = cav_arrays(
        [positives], random_sets, classifier=classifier, options=options, test_share=test_share, seed=seed
    )
    return found["vectors"][0], found["accuracies"][0]


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
    return _distances(positives, _means(random_sets), vectors)


def _means(random_sets: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack([np.asarray(negatives, dtype=np.float64).mean(axis=0) for negatives in random_sets])


def _distances(positives: np.ndarray, means: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    gaps = np.asarray(positives, dtype=np.float64).mean(axis=0) - means
    return np.einsum("sd,sd->s", np.asarray(vectors, dtype=np.float64), gaps).astype(np.float32)


def cav_arrays(
    concepts: Iterable[np.ndarray],
    random_sets: Sequence[np.ndarray],
    *,
    classifier: str = "ridge",
    options: dict[str, Any] | None = None,
    test_share: float = 1 / 3,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """CAVs of several concepts, as the artifact ``cavs`` holds them.

    Where activations have more dimensions than a pair has samples, classifiers see these in coordinates of the space
    that they span, which come from inner products; those of random sets serve all concepts.

    Parameters
    ----------
    concepts : iterable of (n, d) float
        Members of each.
    random_sets : sequence of (m, d) float, or (sets, m, d)
    classifier, options, test_share, seed
        As for `train_cavs`; so are the errors.

    Returns
    -------
    dict
        vectors (concepts, sets, d) float32, distances and accuracies (concepts, sets) float.
    """
    plugin, todo = CLASSIFIERS[classifier], iter(concepts)
    dimensions, least = np.shape(random_sets[0])[1], min(map(len, random_sets))
    fit = partial(plugin.function, dimensions=dimensions, **plugin.options(options))
    means = _means(random_sets)
    # Of all that a mean far from 0 adds to inner products, nothing would be left but rounding.
    origin = means.mean(axis=0) if plugin.traits.get("anywhere", False) else np.zeros(dimensions)
    negatives = np.stack(
        [np.asarray(np.asarray(one)[:least] - origin, dtype=np.float32) for one in random_sets]
    )
    found: dict[str, list[np.ndarray]] = {"vectors": [], "distances": [], "accuracies": []}
    while some := list(islice(todo, AT_ONCE)):
        if not all(np.isfinite(values).all() for values in (*some, means)):
            raise VoxplainError(
                "A CAV has no direction, because activations are not finite: check the network's weights."
            )
        pairs = [
            _Pairs.of(np.asarray(positives, dtype=np.float64) - origin, negatives, test_share, seed)
            for positives in some
        ]
        if dimensions <= 2 * least:
            fits = [one.fitted(fit) for one in pairs]
        elif plugin.traits.get("means", False):
            fits = _by_means(pairs, negatives)
        else:
            fits = _by_products(pairs, negatives, fit)
        for positives, (directions, accuracies) in zip(some, fits, strict=True):
            lengths = np.linalg.norm(directions, axis=1, keepdims=True)
            if not np.all(lengths > 0) or not np.isfinite(lengths).all():
                raise VoxplainError(
                    "A CAV has no direction, because concept and random set have the same activations: "
                    "choose another layer, or check that the network's weights are not constant."
                )
            vectors = (directions / lengths).astype(np.float32)
            found["vectors"].append(vectors)
            found["distances"].append(_distances(positives, means, vectors))
            found["accuracies"].append(accuracies)
    return {name: np.stack(arrays) for name, arrays in found.items()}


@dataclass(frozen=True)
class _Pairs:
    """A concept and all random sets, both sides cut to one size.

    Attributes
    ----------
    positives : (p, d) float64
    negatives : (sets, n, d)
    order : (sets, n) int
        Rows of `positives`, the first of which are held out; so are the first negatives.
    held_out : int
    """

    positives: np.ndarray
    negatives: np.ndarray
    order: np.ndarray
    held_out: int

    @classmethod
    def of(cls, positives: np.ndarray, negatives: np.ndarray, test_share: float, seed: int) -> _Pairs:
        sets, least = negatives.shape[:2]
        size = min(len(positives), least)
        if size < 3:
            raise VoxplainError(
                f"A CAV needs at least 3 samples on each side, and there are {size}: "
                "raise concepts.min_supervoxels or cavs.set_size."
            )
        rng = np.random.default_rng(seed)
        order = rng.permuted(np.tile(np.arange(len(positives)), (sets, 1)), axis=1)[:, :size]
        return cls(positives, negatives[:, :size], order, max(1, round(size * test_share)))

    def fitted(self, fit: Callable, coordinates: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Directions (sets, k) of fits to all samples, (sets, 2n, k), and accuracies (sets,) of those without what is held out."""
        if coordinates is None:
            sides = self.positives[self.order], self.negatives.astype(np.float64)
        else:
            sides = np.split(coordinates, 2, axis=1)
        directions, offsets = fit(*(side[:, self.held_out :] for side in sides))
        decided = (
            np.einsum("snk,sk->sn", side[:, : self.held_out], directions) + offsets[:, None] > 0
            for side in sides
        )
        return fit(*sides)[0], _accuracies(*decided)


def _accuracies(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Of what is called positive, (..., n) bool, on both sides."""
    return (positives.mean(axis=-1) + 1 - negatives.mean(axis=-1)) / 2


def _by_products(
    pairs: Sequence[_Pairs], negatives: np.ndarray, fit: Callable
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Directions (sets, d) and accuracies (sets,) by fits to coordinates that have all inner products of the samples."""
    stacked = np.concatenate([one.positives for one in pairs])
    across, within = [], []
    for some in negatives:
        some = some.astype(np.float64)
        across.append(stacked @ some.T)
        within.append(some @ some.T)
    parts = np.split(np.stack(across), np.cumsum([len(one.positives) for one in pairs])[:-1], axis=1)
    within, weights, accuracies = np.stack(within), [], []
    for one, mixed in zip(pairs, parts, strict=True):
        size = one.order.shape[1]
        own = (one.positives @ one.positives.T)[one.order[:, :, None], one.order[:, None]]
        mixed = np.take_along_axis(mixed, one.order[:, :, None], axis=1)[..., :size]
        gram = np.block([[own, mixed], [mixed.transpose(0, 2, 1), within[:, :size, :size]]])
        jitter = JITTER * np.trace(gram, axis1=1, axis2=2) / (2 * size) + np.finfo(float).tiny
        coordinates = np.linalg.cholesky(gram + jitter[:, None, None] * np.eye(2 * size))
        directions, right = one.fitted(fit, coordinates)
        weights.append(
            np.linalg.solve(coordinates.transpose(0, 2, 1), directions[..., None]).transpose(0, 2, 1)
        )
        accuracies.append(right)
    vectors = np.concatenate([found[:, :, 0] for _, found in _sums(pairs, negatives, weights)])
    return list(zip(vectors.transpose(1, 0, 2), accuracies, strict=True))


def _by_means(pairs: Sequence[_Pairs], negatives: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Directions (sets, d) and accuracies (sets,) where a direction is the difference of two means."""

    def differences(one: _Pairs) -> np.ndarray:
        """Weights of all samples, and of those that are not held out."""
        sets, size = one.order.shape
        weights = np.zeros((sets, 2, 2, size))
        for row, first in enumerate((0, one.held_out)):
            weights[:, row, :, first:] = np.array([1, -1])[:, None] / (size - first)
        return weights.reshape(sets, 2, 2 * size)

    vectors, accuracies = [], [[] for _ in pairs]
    for part, found in _sums(pairs, negatives, [differences(one) for one in pairs]):
        vectors.append(found[:, :, 0].copy())
        along = negatives[part].astype(np.float64) @ found[:, :, 1].transpose(0, 2, 1)
        for place, one in enumerate(pairs):
            size, held_out = one.order.shape[1], one.held_out
            own = np.take_along_axis(found[:, place, 1] @ one.positives.T, one.order[part], axis=1)
            others = along[:, :size, place]
            halfway = sum(side[:, held_out:].mean(axis=1, keepdims=True) for side in (own, others)) / 2
            decided = (side[:, :held_out] > halfway for side in (own, others))
            accuracies[place].append(_accuracies(*decided))
    return [
        (found, np.concatenate(right))
        for found, right in zip(np.concatenate(vectors).transpose(1, 0, 2), accuracies, strict=True)
    ]


def _sums(
    pairs: Sequence[_Pairs], negatives: np.ndarray, weights: Sequence[np.ndarray]
) -> Iterator[tuple[slice, np.ndarray]]:
    """Sums of samples by weights (sets, rows, 2n), the positives' in order first, of some sets after the other.

    Yields which sets, and (sets, pairs, rows, d); a sum that is nothing but rounding is 0.
    """
    longest = np.array([np.linalg.norm(one.positives, axis=1).max() for one in pairs])
    rows, (_, least, dimensions) = weights[0].shape[1], negatives.shape
    for start in range(0, len(negatives), SETS_AT_ONCE):
        part = slice(start, start + SETS_AT_ONCE)
        some = negatives[part].astype(np.float64)
        others = np.zeros((len(some), len(pairs), rows, least))
        for place, (one, given) in enumerate(zip(pairs, weights, strict=True)):
            size = one.order.shape[1]
            others[:, place, :, :size] = given[part, :, size:]
        found = (others.reshape(len(some), -1, least) @ some).reshape(*others.shape[:3], dimensions)
        terms = np.empty(others.shape[:3])
        for place, (one, given) in enumerate(zip(pairs, weights, strict=True)):
            own = np.zeros((len(some), rows, len(one.positives)))
            np.put_along_axis(own, one.order[part, None], given[part, :, : one.order.shape[1]], axis=2)
            found[:, place] += (own.reshape(-1, own.shape[2]) @ one.positives).reshape(*own.shape[:2], -1)
            terms[:, place] = np.abs(given[part]).sum(axis=2)
        lengths = np.maximum(longest, np.linalg.norm(some, axis=2).max(axis=1)[:, None])
        found[np.linalg.norm(found, axis=3) <= NO_DIRECTION * terms * lengths[..., None]] = 0
        yield part, found
