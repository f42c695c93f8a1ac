"""Concept classifiers: linear classifiers whose normal is a concept activation vector (CAV).

Each takes all pairs of positives and negatives at once and returns one direction per pair, pointing
to the positives, and the offset that decides between the two. Directions lie in the space that a pair's samples span,
and do not hang on its axes: samples of many dimensions come in coordinates of that space (`voxplain.concepts.cavs`).
The trait `means` says that the direction is the difference of the two means and the offset halfway, whatever the rest;
`anywhere` that directions do not hang on where the origin is.
"""

from __future__ import annotations

import numpy as np

from ..registry import Registry

CLASSIFIERS = Registry("concept classifier", __name__)


@CLASSIFIERS("ridge", anywhere=True)
def ridge(
    positives: np.ndarray, negatives: np.ndarray, dimensions: int, *, shrinkage: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Least squares with a penalty: Fisher's discriminant, in closed form for all pairs at once.

    Parameters
    ----------
    positives : (pairs, p, k) float
    negatives : (pairs, q, k) float
    dimensions : int
        Of the activations, k or more: their mean variance is over as many.
    shrinkage : float
        Share of the mean variance that is added to each variance, above 0. With little of it and fewer
        samples than dimensions the direction follows noise; with much it is the difference of means.

    Returns
    -------
    directions : (pairs, k) float
    offsets : (pairs,) float
        ``x @ direction + offset > 0`` means positive.
    """
    mean_positive, mean_negative = positives.mean(axis=1), negatives.mean(axis=1)
    centred = np.concatenate([positives - mean_positive[:, None], negatives - mean_negative[:, None]], axis=1)
    n, k = centred.shape[1:]
    variance = (centred**2).sum(axis=(1, 2)) / (n * dimensions)
    penalty = np.maximum(shrinkage * variance, 1e-12)[:, None, None]
    scatter = centred.transpose(0, 2, 1) @ centred / n + penalty * np.eye(k)
    directions = np.linalg.solve(scatter, (mean_positive - mean_negative)[..., None])[..., 0]
    return directions, -np.einsum("pd,pd->p", directions, (mean_positive + mean_negative) / 2)


@CLASSIFIERS("mean_difference", means=True, anywhere=True)
def mean_difference(
    positives: np.ndarray, negatives: np.ndarray, dimensions: int
) -> tuple[np.ndarray, np.ndarray]:
    """Difference of the two means, the fastest CAV.

    Parameters and returns as in `ridge`.
    """
    mean_positive, mean_negative = positives.mean(axis=1), negatives.mean(axis=1)
    directions = mean_positive - mean_negative
    return directions, -np.einsum("pd,pd->p", directions, (mean_positive + mean_negative) / 2)


@CLASSIFIERS("sgd")
def sgd(
    positives: np.ndarray, negatives: np.ndarray, dimensions: int, *, alpha: float = 0.01, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Linear support vector machine by stochastic gradient descent, as in the authors' code.

    Parameters and returns as in `ridge`; `alpha` is the strength of the L2 penalty.
    """
    from sklearn.linear_model import SGDClassifier  # slow to load, and no other classifier needs it

    directions, offsets = [], []
    for positive, negative in zip(positives, negatives, strict=True):
        machine = SGDClassifier(alpha=alpha, max_iter=1000, tol=1e-3, random_state=seed)
        targets = np.r_[np.ones(len(positive)), np.zeros(len(negative))]
        machine.fit(np.concatenate([positive, negative]), targets)
        directions.append(machine.coef_[0])
        offsets.append(machine.intercept_[0])
    return np.array(directions), np.array(offsets)
