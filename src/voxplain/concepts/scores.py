"""Importance of concepts by directional derivatives (3D-ACE, equations 1 and 2)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy  # whose parts are loaded when they are used

from ..statistics import adjust_p_values, rank_p_value


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
    cavs: tuple[np.ndarray, np.ndarray],
    random_cavs: tuple[np.ndarray, np.ndarray],
    *,
    test: str = "random_concepts",
    rank_by: str = "effect",
) -> pd.DataFrame:
    """Score the concepts of one class.

    Parameters
    ----------
    gradients : (clips, d) float
        Gradients of the class's logit at the class's clips.
    cavs : (concepts, sets, d) float and (concepts, sets) float
        CAVs of each concept against each random set, and the concept's distance along each.
    random_cavs : (random concepts, sets, d) float and (random concepts, sets) float
        The same of random concepts (random members), against the same random sets.
    test : {"random_concepts", "paired_t"}
        How the p-value is had. ``random_concepts``: the rank of the concept's effect among those of
        random concepts, that is, of random subsets of supervoxels. A cluster differs from these by being a
        cluster, so a small p-value does not show that the network uses the concept. (Not of the score: it
        ends at 1, where random concepts get too.) ``paired_t``: the t-test of S over random sets against the
        first random concept, as in the authors' code; its samples share the positives, so it is far too sure.
    rank_by : {"effect", "score"}
        What decides importance. ``score``: S, as in the paper; ties, which are the rule where the
        gradient is the same for all clips, are ranked by the derivative. ``effect``: see `effects`.

    Returns
    -------
    DataFrame, one row per concept
        concept, score (mean of S over random sets), score_sd, derivative (mean of I, in logits per
        unit length), effect (in logits), p_value, rank (1 is the most important).
    """
    (vectors, distances), (random_vectors, random_distances) = cavs, random_cavs
    derivatives = directional_derivatives(gradients, vectors)
    shares = importance(derivatives)
    table = _ranked(shares.mean(axis=1), derivatives, distances, rank_by)
    if test == "random_concepts":
        null = effects(directional_derivatives(gradients, random_vectors), random_distances).mean(axis=-1)
        p_values = rank_p_value(table["effect"].to_numpy(), null)
    else:
        # Where all differences are 0 the t statistic is 0/0: nothing differs, so p is 1.
        random_shares = importance(directional_derivatives(gradients, random_vectors[:1]))
        same = np.all(shares == random_shares[0], axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            p_values = np.where(
                same, 1.0, scipy.stats.ttest_rel(shares, random_shares[0][None], axis=1).pvalue
            )
    score_sd = shares.std(axis=1, ddof=1) if shares.shape[1] > 1 else np.nan
    table = table.assign(score_sd=score_sd, p_value=p_values)
    return table[["concept", "score", "score_sd", "derivative", "effect", "p_value", "rank"]]


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
