"""Importance of concepts by directional derivatives (3D-ACE, equations 1 and 2)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy  # whose parts are loaded when they are used

from ..statistics import adjust_p_values, rank_p_value

Cavs = tuple[np.ndarray, np.ndarray]  # vectors (concepts, sets, d), and distances (concepts, sets) along them
COLUMNS = "concept score score_sd derivative effect p_clusters p_gradients p_value rank".split()


def directional_derivatives(gradients: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Derivative of the class logit along each CAV at each clip: I in equation (1).

    Parameters
    ----------
    gradients : (clips, d) float
        Gradient of the logit of the clip's class with respect to the layer's activation.
    vectors : (..., d) float
        CAVs.

    Returns
    -------
    (..., clips) float
    """
    return np.asarray(vectors) @ np.asarray(gradients).T


def importance(derivatives: np.ndarray, axis: int | tuple[int, ...] = -1) -> np.ndarray:
    """Share of clips whose logit rises along a CAV: S in equation (2).

    Parameters
    ----------
    derivatives : (..., clips) float
        From `directional_derivatives`.
    axis
        Axes that the share is taken over: the clips, or random sets with them.

    Returns
    -------
    (...) float in [0, 1]
    """
    return (np.asarray(derivatives) > 0).mean(axis=axis)


def effects(derivatives: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """First-order change of the class logit on the way from each random set to a concept's members.

    Equation (1) asks how the logit changes for a step of unit length along the CAV. Concepts differ in
    how far they lie from random samples, and most unit steps lead nowhere near them; so here the step
    is as long as the way: I, averaged over clips, times the distance. A concept's effect is the mean over
    random sets.

    Parameters
    ----------
    derivatives : (..., sets, clips) float
        From `directional_derivatives`.
    distances : (..., sets) float
        From `voxplain.concepts.cavs.concept_distances`.

    Returns
    -------
    (..., sets) float : in logits
    """
    return derivatives.mean(axis=-1) * distances


def rank_concepts(
    gradients: np.ndarray, vectors: np.ndarray, distances: np.ndarray, *, rank_by: str = "effect"
) -> pd.DataFrame:
    """Score and rank concepts without a test.

    Parameters
    ----------
    gradients : (clips, d) float
    vectors : (concepts, sets, d) float
    distances : (concepts, sets) float
    rank_by : {"effect", "score"}
        As for `score_concepts`.

    Returns
    -------
    DataFrame, one row per concept
        concept, score, derivative, effect, rank. The score is the share over random sets and clips
        together, so that equal shares are equal numbers and ties are ties.
    """
    derivatives = directional_derivatives(gradients, vectors)
    return _ranked(importance(derivatives, axis=(1, 2)), derivatives, distances, rank_by)


def score_concepts(
    gradients: np.ndarray,
    cavs: Cavs,
    null_cavs: Cavs,
    null_gradients: np.ndarray,
    *,
    subset: Cavs | None = None,
    test: str = "clusters_and_gradients",
    rank_by: str = "effect",
) -> pd.DataFrame:
    """Score the concepts of one class.

    Two nulls have to be rejected before a concept counts as what the network's answer hangs on, and each alone is
    not enough: a cluster lies far from the mean of all supervoxels whatever the network makes of it, and a
    gradient points somewhere whatever the network has learned.

    - Clusters: concepts found by the same procedure in random videos of all classes
      (`voxplain.concepts.random_sets.null_concepts`), with the class's own gradients.
    - Gradients: the concept's own CAVs, with gradients of the class's logit in networks whose weights above the
      layer are random (`voxplain.concepts.random_gradients`), made as long as the own one.

    The p-value of each is the rank of the concept's effect among the null's. (Not of the score: it ends at 1,
    where random concepts get too.)

    Parameters
    ----------
    gradients : (clips, d) float
        Gradients of the class's logit at the class's clips.
    cavs : (concepts, sets, d) float and (concepts, sets) float
        CAVs of each concept against each random set, and the concept's distance along each.
    null_cavs : (null concepts, sets, d) float and (null concepts, sets) float
        The same of concepts found in random videos, against the same random sets.
    null_gradients : (draws, d) float
        Mean gradient over the class's clips of each random network.
    subset : (1, sets, d) float and (1, sets) float
        The same of a random subset of supervoxels, which ``paired_t`` alone needs.
    test : {"clusters_and_gradients", "paired_t"}
        What p_value is. ``clusters_and_gradients``: the greater of p_clusters and p_gradients, for the hypothesis
        that one of the two nulls holds (Berger's intersection-union test, Technometrics 24 (1982), p. 295).
        ``paired_t``: the t-test of S over random sets against a random subset of supervoxels, as in the authors'
        code; its samples share the positives and a cluster is no random subset, so it is far too sure.
    rank_by : {"effect", "score"}
        What decides importance. ``score``: S, as in the paper; ties, which are the rule where the
        gradient is the same for all clips, are ranked by the derivative. ``effect``: see `effects`.

    Returns
    -------
    DataFrame, one row per concept
        concept, score (mean of S over random sets), score_sd, derivative (mean of I, in logits per
        unit length), effect (in logits), p_clusters, p_gradients, p_value, rank (1 is the most important).
    """
    (vectors, distances), (null_vectors, null_distances) = cavs, null_cavs
    derivatives = directional_derivatives(gradients, vectors)
    shares = importance(derivatives)
    # Of all sets and clips at once: a mean of means tells equal shares apart by rounding, and ties are ranked otherwise.
    table = _ranked(importance(derivatives, axis=(1, 2)), derivatives, distances, rank_by)
    of_clusters = effects(directional_derivatives(gradients, null_vectors), null_distances).mean(axis=-1)
    of_gradients = gradient_effects(gradients, null_gradients, cavs)
    table["p_clusters"] = rank_p_value(table["effect"].to_numpy(), of_clusters)
    table["p_gradients"] = [
        rank_p_value(np.array([own]), null)[0]
        for own, null in zip(table["effect"], of_gradients, strict=True)
    ]
    if test == "clusters_and_gradients":
        table["p_value"] = table[["p_clusters", "p_gradients"]].max(axis=1)
    else:
        # Where all differences are 0 the t statistic is 0/0: nothing differs, so p is 1.
        random_shares = importance(directional_derivatives(gradients, subset[0]))[0]
        same = np.all(shares == random_shares, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            p_values = scipy.stats.ttest_rel(shares, random_shares[None], axis=1).pvalue
        table["p_value"] = np.where(same, 1.0, p_values)
    score_sd = shares.std(axis=1, ddof=1) if shares.shape[1] > 1 else np.nan
    return table.assign(score_sd=score_sd)[COLUMNS]


def gradient_effects(gradients: np.ndarray, null_gradients: np.ndarray, cavs: Cavs) -> np.ndarray:
    """Effects of concepts under random gradients that are as long as the own one.

    Parameters
    ----------
    gradients : (clips, d) float
    null_gradients : (draws, d) float
        Means over the same clips.
    cavs : (concepts, sets, d) float and (concepts, sets) float

    Returns
    -------
    (concepts, draws) float : in logits; 0 where a random gradient vanishes
    """
    length = np.linalg.norm(np.mean(gradients, axis=0, dtype=np.float64))
    lengths = np.linalg.norm(null_gradients, axis=1, keepdims=True).astype(np.float64)
    scaled = null_gradients * np.divide(length, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return ways_to(*cavs) @ scaled.T


def ways_to(vectors: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """The way from random samples to each concept: its CAVs times the distances along them, mean over random sets.

    An effect is the mean gradient times this way.

    Parameters
    ----------
    vectors : (concepts, sets, d) float
    distances : (concepts, sets) float

    Returns
    -------
    (concepts, d) float64 : in units of the activation
    """
    return np.einsum("csd,cs->cd", vectors, distances, dtype=np.float64) / vectors.shape[1]


def _ranked(score: np.ndarray, derivatives: np.ndarray, distances: np.ndarray, rank_by: str) -> pd.DataFrame:
    """concept, score, derivative, effect and rank: one row per concept."""
    table = pd.DataFrame(
        {
            "concept": np.arange(len(score)),
            "score": score,
            "derivative": derivatives.mean(axis=(1, 2)),
            "effect": effects(derivatives, distances).mean(axis=-1),
        }
    )
    keys = ["score", "derivative"] if rank_by == "score" else ["effect"]
    order = table.sort_values(keys, ascending=False, kind="stable").index
    table.loc[order, "rank"] = np.arange(1, len(table) + 1)
    return table.astype({"rank": int})


def mark_significant(table: pd.DataFrame, *, alpha: float = 0.05) -> pd.DataFrame:
    """Add p_adjusted and significant, corrected over all rows of `table` (Benjamini and Hochberg).

    Parameters
    ----------
    table : DataFrame with column p_value
    alpha : float
        Level of the false discovery rate.
    """
    adjusted = adjust_p_values(table["p_value"].to_numpy())
    return table.assign(p_adjusted=adjusted, significant=adjusted <= alpha)
