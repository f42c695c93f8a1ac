"""Whether concept scores rank concepts by what is known to matter (embedded data)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ..videos.embedded import read_ground_truth
from ..videos.scenes import ACTOR, BACKGROUND, CUE
from ..videos.store import LabelStore
from .statistics import auroc, grouped_interval, rank_correlation, shuffled_p_value

PARTS = ["actor", "distractors", "background", "cue"]
ORDERS = {"score": 1, "derivative": 1, "effect": 1, "rank": -1}
MOSTLY = 0.5


def part_counts(objects: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """How many voxels of a supervoxel lie on each of `PARTS`.

    Parameters
    ----------
    objects : (T, H, W) uint8
        What is visible: see `voxplain.videos.scenes.Scene`.
    mask : (T, H, W) bool

    Returns
    -------
    (4,) int
    """
    counts = np.bincount(objects[mask], minlength=256)
    actor, background, cue = counts[[ACTOR, BACKGROUND, CUE]]
    return np.array([actor, counts.sum() - actor - background - cue, background, cue])


def concept_shares(
    members: pd.DataFrame, truth: str | Path, frames: Mapping[str, np.ndarray], labels: LabelStore
) -> pd.DataFrame:
    """Share of each concept's members' voxels on the actor, distractors, background and cue.

    Parameters
    ----------
    members : DataFrame
        variant, class, concept, video, clip, level, supervoxel.
    truth : path
        The ground truth of the embedded videos.
    frames : mapping of str to (clips, T) int array
        The clips' frames in each video.
    labels : LabelStore

    Returns
    -------
    DataFrame : variant, class, concept, actor, distractors, background, cue (fractions of 1), n_members
    """
    parts = []
    for (video, clip), rows in members.groupby(["video", "clip"]):
        objects = read_ground_truth(truth, video, frames[video][clip]).objects
        levels = labels.labels(video, clip)
        once = {
            key: part_counts(objects, levels[key[0]] == key[1])
            for key in set(zip(rows["level"], rows["supervoxel"], strict=True))
        }
        counts = [once[key] for key in zip(rows["level"], rows["supervoxel"], strict=True)]
        parts.append(
            rows[["variant", "class", "concept"]].assign(
                **dict(zip(PARTS, np.transpose(counts), strict=True))
            )
        )
    table = pd.concat(parts).assign(n_members=1)
    table = table.groupby(["variant", "class", "concept"], as_index=False).sum()
    table[PARTS] = table[PARTS].div(table[PARTS].sum(axis=1), axis=0)
    return table


def ground_truth_table(concepts: pd.DataFrame, *, resamples: int = 500) -> pd.DataFrame:
    """How well three orders of concepts find the actor, or the cue.

    Parameters
    ----------
    concepts : DataFrame
        model, seed, layer, variant, class, concept, score, derivative, effect, rank, and the shares of `PARTS`.

    Returns
    -------
    DataFrame
        model, layer, variant, target (actor, cue), order (score: ties counted half; derivative; effect; rank:
        place within the class, as the run ranks), auroc (of the order for concepts that lie
        mostly on the target), spearman (of the order and the target's share), each with _low and _high (95 %,
        bootstrap over classes and seeds), p_value (of spearman: shares shuffled within each class and seed),
        n_concepts, n_positive, n_classes, n_seeds.
    """
    rows = []
    place = concepts.groupby(["model", "seed", "layer", "variant", "class"])["rank"]
    concepts = concepts.assign(rank=(concepts["rank"] - 1) / (place.transform("max") - 1).clip(lower=1))
    for key, group in concepts.groupby(["model", "layer", "variant"], sort=False):
        groups = [group["class"].to_numpy(), group["seed"].to_numpy()]
        blocks = group.groupby(["class", "seed"]).ngroup().to_numpy()
        for target in ("actor", "cue"):
            share = group[target].to_numpy()
            for order, sign in ORDERS.items():
                values = sign * group[order].to_numpy()
                row = dict(zip(["model", "layer", "variant"], key, strict=True))
                row |= {"target": target, "order": order}
                for name, statistic, known in (
                    ("auroc", auroc, share > MOSTLY),
                    ("spearman", rank_correlation, share),
                ):
                    low, high = grouped_interval(statistic, [values, known], groups, resamples=resamples)
                    row |= {name: statistic(values, known), f"{name}_low": low, f"{name}_high": high}
                row["p_value"] = shuffled_p_value(rank_correlation, share, values, blocks, shuffles=499)
                row |= {
                    "n_concepts": len(group),
                    "n_positive": int((share > MOSTLY).sum()),
                    "n_classes": group["class"].nunique(),
                    "n_seeds": group["seed"].nunique(),
                }
                rows.append(row)
    return pd.DataFrame(rows)
