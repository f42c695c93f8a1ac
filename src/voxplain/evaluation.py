"""Tables of accuracies: of networks, and of clips with concepts added and removed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .editing import UNEDITED
from .statistics import bootstrap_interval, paired_test, wilson_interval

GAPS = (("top", "random"), ("random", "least"), ("top", "least"), ("top", "random_volume"))


def accuracy_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """Accuracy per network and seed: over all classes (label ``all``) and for each class.

    Parameters
    ----------
    predictions : DataFrame
        model, seed, video, label, predicted: one row per test video.

    Returns
    -------
    DataFrame
        model, seed, label, accuracy, ci_low, ci_high (Wilson, 95 %), n_videos
    """
    rows = []
    for (model, seed), group in predictions.groupby(["model", "seed"], sort=False):
        for label, part in [("all", group), *group.groupby("label")]:
            correct = int((part["predicted"] == part["label"]).sum())
            low, high = wilson_interval(correct, len(part))
            rows.append((model, seed, label, correct / len(part), low, high, len(part)))
    names = ["model", "seed", "label", "accuracy", "ci_low", "ci_high", "n_videos"]
    return pd.DataFrame(rows, columns=names)


def editing_table(edits: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Accuracy on edited clips by strategy and number of concepts (tables 1 and 2 of 3D-ACE).

    Parameters
    ----------
    edits : DataFrame
        One experiment: model, seed, layer, video, strategy, draw, k, correct, shown (share of voxels).
        Strategy ``none`` is the unedited clip.
    published : DataFrame
        model, strategy, k, published, published_baseline

    Returns
    -------
    DataFrame
        model, layer, strategy, k, accuracy (mean over draws and seeds), ci_low, ci_high (95 %: Wilson
        for one seed without draws, bootstrap over videos and seeds otherwise), n_videos, n_seeds,
        shown, baseline, p_value (paired test of ``top`` against this row's strategy), and the paper's cells.
    """
    rows = []
    for (model, layer), group in edits.groupby(["model", "layer"], sort=False):
        baseline = outcomes(group, UNEDITED, 0).mean()
        for k in sorted(group.loc[group["k"] > 0, "k"].unique()):
            top = outcomes(group, "top", k)
            for strategy in group.loc[group["k"] == k, "strategy"].unique():
                values = outcomes(group, strategy, k)
                binary = len(values) == 1 and np.isin(values, (0, 1)).all()
                low, high = (
                    wilson_interval(values.sum(), values.size) if binary else bootstrap_interval(values)
                )
                p_value = np.nan if strategy == "top" else paired_test(top.mean(axis=0), values.mean(axis=0))
                chosen = (group["strategy"] == strategy) & (group["k"] == k)
                rows.append(
                    {
                        "model": model,
                        "layer": layer,
                        "strategy": strategy,
                        "k": int(k),
                        "accuracy": values.mean(),
                        "ci_low": low,
                        "ci_high": high,
                        "n_videos": values.shape[1],
                        "n_seeds": values.shape[0],
                        "shown": group.loc[chosen, "shown"].mean(),
                        "baseline": baseline,
                        "p_value": p_value,
                    }
                )
    return pd.DataFrame(rows).merge(published, how="left", on=["model", "strategy", "k"])


def gap_table(edits: pd.DataFrame) -> pd.DataFrame:
    """Differences between strategies in accuracy, averaged over k.

    Parameters
    ----------
    edits : DataFrame
        As in `editing_table`, with column experiment.

    Returns
    -------
    DataFrame
        experiment, model, layer, better, worse, gap (accuracy of the first minus that of the second),
        ci_low, ci_high (95 %, bootstrap over videos and seeds), p_value (paired test), n_videos, n_seeds.
        Adding, a method that works has positive gaps; removing, negative ones.
    """
    rows, edited = [], edits[edits["strategy"] != UNEDITED]
    for (experiment, model, layer), group in edited.groupby(["experiment", "model", "layer"], sort=False):
        ks = sorted(group.loc[group["k"] > 0, "k"].unique())
        mean = {
            strategy: np.mean([outcomes(group, strategy, k) for k in ks], axis=0)
            for strategy in {name for pair in GAPS for name in pair}
        }
        for first, second in GAPS:
            difference = mean[first] - mean[second]
            low, high = bootstrap_interval(difference)
            rows.append(
                {
                    "experiment": experiment,
                    "model": model,
                    "layer": layer,
                    "better": first,
                    "worse": second,
                    "gap": difference.mean(),
                    "ci_low": low,
                    "ci_high": high,
                    "p_value": paired_test(mean[first].mean(axis=0), mean[second].mean(axis=0)),
                    "n_videos": difference.shape[1],
                    "n_seeds": difference.shape[0],
                }
            )
    return pd.DataFrame(rows)


def outcomes(edits: pd.DataFrame, strategy: str, k: int) -> np.ndarray:
    """Mean correctness per seed and video, over clips and draws, as (seeds, videos) float."""
    chosen = edits[(edits["strategy"] == strategy) & (edits["k"] == k)]
    table = chosen.pivot_table(index="seed", columns="video", values="correct", aggfunc="mean", sort=True)
    return table.to_numpy(dtype=float)
