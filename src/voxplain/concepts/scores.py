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


def score_concepts(
    gradients: np.ndarray,
    vectors: np.ndarray,
    random_vectors: np.ndarray,
    *,
    test: str = "random_concepts",
) -> pd.DataFrame:
    """Score the concepts of one class.

    Parameters
    ----------
    gradients : (clips, d) float
        Gradients of the class's logit at the class's clips.
    vectors : (concepts, sets, d) float
        CAVs of each concept against each random set.
    random_vectors : (random concepts, sets, d) float
        CAVs of random concepts (random members) against the same random sets.
    test : {"random_concepts", "paired_t"}
        How the p-value is had. ``random_concepts``: the rank of the concept's mean derivative among
        those of random concepts, which is exact whatever their distribution. (Not of the score: it
        ends at 1, where random concepts get too.) ``paired_t``: the t-test of S over random sets
        against the first random concept, as in the authors' code; its samples share the positives,
        so it is far too sure.

    Returns
    -------
    DataFrame, one row per concept
        concept, score (mean of S over random sets), score_sd, derivative (mean of I, in logits per
        unit length), p_value, rank (1 is the most important). Ties of the score, which are the rule
        where the gradient is the same for all clips, are ranked by the derivative.
    """
    derivatives = directional_derivatives(gradients, vectors)
    shares = (derivatives > 0).mean(axis=-1)
    random_derivatives = directional_derivatives(gradients, random_vectors)
    score = shares.mean(axis=1)
    if test == "random_concepts":
        p_values = rank_p_value(derivatives.mean(axis=(1, 2)), random_derivatives.mean(axis=(1, 2)))
    else:
        # Where all differences are 0 the t statistic is 0/0: nothing differs, so p is 1.
        random_shares = (random_derivatives > 0).mean(axis=-1)
        same = np.all(shares == random_shares[0], axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            p_values = np.where(same, 1.0, stats.ttest_rel(shares, random_shares[0][None], axis=1).pvalue)
    table = pd.DataFrame(
        {
            "concept": np.arange(len(score)),
            "score": score,
            "score_sd": shares.std(axis=1, ddof=1) if shares.shape[1] > 1 else np.nan,
            "derivative": derivatives.mean(axis=(1, 2)),
            "p_value": p_values,
        }
    )
    order = table.sort_values(["score", "derivative"], ascending=False, kind="stable").index
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
