"""Final tables of the networks and of their data."""

from __future__ import annotations

import pandas as pd

from ..statistics import group_values, mean_interval
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
    ci_low: lower end of the 95 % interval (Wilson, where groups are single videos); its units are the groups of videos, and it is of this network alone; empty for fewer than 3
    ci_high: upper end
    n_videos
    """,
    inputs={"predictions": "predictions"},
)
def accuracy_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """Accuracy per network and seed: over all classes (class ``all``) and for each class.

    Parameters
    ----------
    predictions : DataFrame
        model, seed, video, class, predicted, and maybe group: one row per test video.

    Returns
    -------
    DataFrame
        model, seed, class, accuracy, ci_low, ci_high (95 %, over groups; Wilson where these are single videos), n_videos
    """
    rows = []
    for (model, seed), group in predictions.groupby(["model", "seed"], sort=False):
        for class_name, part in [("all", group), *group.groupby("class")]:
            correct = (part["predicted"] == part["class"]).to_numpy(dtype=float)
            low, high = mean_interval(group_values(correct, part.get("group")), share=True)
            rows.append((model, seed, class_name, correct.mean(), low, high, len(part)))
    names = ["model", "seed", "class", "accuracy", "ci_low", "ci_high", "n_videos"]
    return pd.DataFrame(rows, columns=names)


@table(
    "network_precision",
    part="concepts",
    title="Precision of the networks",
    meaning="Whether networks were shown the clips of concepts in float32 or in bfloat16, and what bfloat16 changes on a sample "
    "of the run's own clips: supervoxels alone under the fill, and clips of which more and more is hidden.",
    columns="""
    model, seed
    asked: what device.precision says
    precision: what was used: float32 or bfloat16
    reason: what speaks against bfloat16; empty where nothing does
    n_clips
    n_inputs: clips shown, whole and edited
    changed: share of them that bfloat16 answers in another way
    changed_clearly: share of them where, besides, float32 gives the one class odds over the other of 1.05 or more
    tau_alone: Kendall's tau of the class's logits of supervoxels alone, float32 against bfloat16, mean over clips
    tau_hidden: the same of clips of which more and more is hidden
    cosine: of activations less their mean, float32 against bfloat16, mean over supervoxels, of the layer where it is least
    speed: how many times as fast bfloat16 was
    """,
    inputs={"chosen": "chosen_precision"},
    needs=["chosen_precision"],
)
def precision_table(chosen: pd.DataFrame) -> pd.DataFrame:
    """The networks, as they come."""
    return chosen
