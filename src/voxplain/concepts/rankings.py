"""Concepts and their ranks, as they lie in artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..artifacts import open_h5, read_table


def read_rankings(
    concepts: Sequence[str | Path], scores: str | Path
) -> tuple[dict[str, np.ndarray], dict[str, pd.DataFrame]]:
    """Read the concepts of several classes.

    Parameters
    ----------
    concepts : sequence of path
        Artifacts of the kind ``concepts``, one per class.
    scores : path
        Artifact of the kind ``scored_concepts``, with the classes in the same order.

    Returns
    -------
    centres : dict of (concepts, d) float32, by class
    scores : dict of DataFrame, by class
        In the order of the concepts' numbers, which are the rows of the centres; `ranking` sorts them.
    """
    centres, tables = {}, {}
    classes = read_table(scores, "scored_concepts").groupby("class", sort=False)
    for path, (class_name, table) in zip(concepts, classes, strict=True):
        tables[class_name] = table.sort_values("concept", ignore_index=True)
        with open_h5(path, "concepts") as file:
            centres[class_name] = file["centres"][()]
    return centres, tables


def ranking(scores: pd.DataFrame) -> np.ndarray:
    """Numbers of a class's concepts, (concepts,) int, the most important first."""
    return scores.sort_values("rank")["concept"].to_numpy()
