"""Which videos of a data set a run uses, for what, and in which shard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ..config import Concepts, Config, Data, Editing, Relevance
from ..errors import ConfigError, nearest
from .table import read_video_table


def plan_videos(data: Data, folder: str | Path) -> pd.DataFrame:
    """Choose the videos of a run and put them into shards.

    Parameters
    ----------
    data : Data
        The config's section.
    folder : path
        Where embedded videos are made, for the data set that has no path of its own.

    Returns
    -------
    DataFrame
        The video table with column shard, ordered by split, then class, then by chance: the first
        videos of a class are a random sample of it.

    Raises
    ------
    ConfigError
        A class is unknown, or has no videos to train or to test with.
    """
    if data.path is None and data.adapter != "embedded":
        raise ConfigError(f"data.path: missing. Say which file or folder the adapter {data.adapter!r} reads.")
    options = dict(data.options)
    if data.adapter in ("embedded", "folder"):
        options.setdefault("seed", data.seed)
    table = read_video_table(data.path or folder, dataset=data.adapter, **options)
    known = sorted(table["label"].unique())
    for name in data.classes or []:
        if name not in known:
            raise ConfigError(
                f"data.classes: no video has the label {name!r}{nearest(name, known)} "
                f"Known: {', '.join(known)}."
            )
    if data.classes:
        table = table[table["label"].isin(data.classes)]
    missing = [
        f"{label} ({split})"
        for split in ("train", "test")
        for label in sorted(set(table["label"]) - set(table.loc[table["split"] == split, "label"]))
    ]
    if missing:
        raise ConfigError(
            f"These classes have no videos in a split: {', '.join(missing)}. Add videos, or list the "
            "classes to use in data.classes."
        )
    if table["label"].nunique() < 2:
        raise ConfigError("All videos have the same label; explaining a classifier needs two classes or more.")
    chance = np.random.default_rng(data.seed).random(len(table))
    order = pd.Categorical(table["split"], ["train", "test"])
    table = table.assign(order=order, chance=chance).sort_values(["order", "label", "chance"])
    if data.videos_per_class is not None:
        table = table.groupby(["split", "label"], sort=False).head(data.videos_per_class)
    shard = table.groupby("split", sort=False).cumcount() // data.shard_size
    table["shard"] = [f"{split}-{number:03d}" for split, number in zip(table["split"], shard, strict=True)]
    return table.drop(columns=["order", "chance"]).reset_index(drop=True)


def discovery_videos(table: pd.DataFrame, concepts: Concepts) -> pd.DataFrame:
    """Rows of the training videos in which concepts are looked for."""
    return _first(table[table["split"] == "train"], concepts.videos_per_class)


def evaluation_videos(table: pd.DataFrame, editing: Editing) -> pd.DataFrame:
    """Rows of the test videos that are edited."""
    return _first(table[table["split"] == "test"], editing.videos_per_class)


def relevance_videos(table: pd.DataFrame, relevance: Relevance) -> pd.DataFrame:
    """Rows of the test videos whose classification is explained voxel by voxel."""
    return _first(table[table["split"] == "test"], relevance.videos_per_class)


def _first(table: pd.DataFrame, n: int | None) -> pd.DataFrame:
    return table if n is None else table.groupby("label", sort=False).head(n)


def source_file(config: Config, embedded: str) -> list[str]:
    """The file whose change lists the videos anew: the data set's table, or none for a folder."""
    if config.data.path is None:
        return [embedded]
    return [config.data.path] if Path(config.data.path).is_file() else []
