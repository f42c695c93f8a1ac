"""Final tables of the networks and of their data."""

from __future__ import annotations

import pandas as pd

from ..statistics import wilson_interval
from ..tables import table


@table(
    "set_aside",
    part="networks",
    title="Videos set aside",
    meaning="Videos that could not be used, or that are damaged, with the reason.",
    columns="""
    video: unique name
    path: the file
    class
    split: train or test
    reason: why it cannot be used, or what is damaged
    used: whether it is used nevertheless
    damaged: frames of its clips that are damaged or lost, as far as the codec tells
    """,
    inputs={"set_aside": "set_aside_videos"},
)
def set_aside_table(set_aside: pd.DataFrame) -> pd.DataFrame:
    """The videos of all shards, as they come."""
    return set_aside


@table(
    "model_accuracy",
    part="networks",
    title="Accuracy of the networks",
    meaning="Test accuracy of every network, overall and per class.",
    columns="""
    model, seed
    class: class, or all
    accuracy: share of test videos that are answered rightly
    ci_low, ci_high, n_videos
    """,
    inputs={"predictions": "predictions"},
)
def accuracy_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """Accuracy per network and seed: over all classes (class ``all``) and for each class.

    Parameters
    ----------
    predictions : DataFrame
        model, seed, video, class, predicted: one row per test video.

    Returns
    -------
    DataFrame
        model, seed, class, accuracy, ci_low, ci_high (Wilson, 95 %), n_videos
    """
    rows = []
    for (model, seed), group in predictions.groupby(["model", "seed"], sort=False):
        for class_name, part in [("all", group), *group.groupby("class")]:
            correct = int((part["predicted"] == part["class"]).sum())
            low, high = wilson_interval(correct, len(part))
            rows.append((model, seed, class_name, correct / len(part), low, high, len(part)))
    names = ["model", "seed", "class", "accuracy", "ci_low", "ci_high", "n_videos"]
    return pd.DataFrame(rows, columns=names)
