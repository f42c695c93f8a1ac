"""Importance of concepts by directional derivatives (3D-ACE, equations 1 and 2)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

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


def importance(gradients: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Share of clips whose logit rises along each CAV: S in equation (2).

    Parameters as in `directional_derivatives`; returns (...) float in [0, 1].
    """
    return (directional_derivatives(gradients, vectors) > 0).mean(axis=-1)


def effects(gradients: np.ndarray, vectors: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """First-order change of the class logit on the way from random samples to a concept's members.

    Equation (1) asks how the logit changes for a step of unit length along the CAV. Concepts differ in
    how far they lie from random samples, and most unit steps lead nowhere near them; so here the step
    is as long as the way: I times the distance, averaged over clips and random sets.

    Parameters
    ----------
    gradients : (clips, d) float
    vectors : (..., sets, d) float
    distances : (..., sets) float
        From `voxplain.concepts.cavs.concept_distances`.

    Returns
    -------
    (...) float : in logits
    """
    return (directional_derivatives(gradients, vectors).mean(axis=-1) * distances).mean(axis=-1)


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
        random concepts, which is exact whatever their distribution. (Not of the score: it ends at 1,
        where random concepts get too.) ``paired_t``: the t-test of S over random sets against the first
        random concept, as in the authors' code; its samples share the positives, so it is far too sure.
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
    shares = (derivatives > 0).mean(axis=-1)
    score, effect = shares.mean(axis=1), effects(gradients, vectors, distances)
    if test == "random_concepts":
        p_values = rank_p_value(effect, effects(gradients, random_vectors, random_distances))
    else:
        # Where all differences are 0 the t statistic is 0/0: nothing differs, so p is 1.
        random_shares = (directional_derivatives(gradients, random_vectors[:1]) > 0).mean(axis=-1)
        same = np.all(shares == random_shares[0], axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            p_values = np.where(same, 1.0, stats.ttest_rel(shares, random_shares[0][None], axis=1).pvalue)
    table = pd.DataFrame(
        {
            "concept": np.arange(len(score)),
            "score": score,
            "score_sd": shares.std(axis=1, ddof=1) if shares.shape[1] > 1 else np.nan,
            "derivative": derivatives.mean(axis=(1, 2)),
            "effect": effect,
            "p_value": p_values,
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
