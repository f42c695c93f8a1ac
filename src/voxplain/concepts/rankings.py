"""Concepts and their ranks, as they lie in artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..artifacts import open_h5, read_table


def read_rankings(
    concepts: Sequence[str | Path], scores: str | Path
) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], dict[str, pd.DataFrame]]:
    """Read the concepts of several classes.

    Parameters
    ----------
    concepts : sequence of path
        Artifacts of the kind ``concepts``, one per class.
    scores : path
        Artifact of the kind ``scored_concepts``, with the classes in the same order.

    Returns
    -------
    places : dict of ((concepts, d) float32, (concepts,) float32), by class
        Centres and cut-off distances, as `voxplain.concepts.clustering.nearest_concepts` takes them.
    scores : dict of DataFrame, by class
        In the order of the concepts' numbers, which are the rows of the centres; `ranking` sorts them.
    """
    places, tables = {}, {}
    classes = read_table(scores, "scored_concepts").groupby("class", sort=False)
    for path, (class_name, table) in zip(concepts, classes, strict=True):
        tables[class_name] = table.sort_values("concept", ignore_index=True)
        with open_h5(path, "concepts") as file:
            places[class_name] = file["centres"][()], file["cutoffs"][()]
    return places, tables


def ranking(scores: pd.DataFrame) -> np.ndarray:
    """Numbers of a class's concepts, (concepts,) int, the most important first."""
    return scores.sort_values("rank")["concept"].to_numpy()


def rankings(
    scores: pd.DataFrame, controls: pd.DataFrame | None = None, *, rank_by: str = "effect"
) -> dict[str, np.ndarray]:
    """All rankings of a class's concepts, by the strategy that takes the first of them.

    Parameters
    ----------
    scores : DataFrame
        As of `read_rankings`: concept, score, derivative, rank.
    controls : DataFrame, optional
        The class's rows of the artifact ``concept_controls``: concept, and a column per control, of which the
        highest value is ranked first.
    rank_by : str
        What decides the run's own ranking.

    Returns
    -------
    dict of (concepts,) int
        top (the run's own ranking), score (the paper's; where the run's own is another) and control_<column>.
    """
    found = {"top": ranking(scores)}
    if rank_by != "score":  # ties as in voxplain.concepts.scores
        order = scores.sort_values(["score", "derivative"], ascending=False, kind="stable")
        found["score"] = order["concept"].to_numpy()
    if controls is not None:
        for name in controls.columns.difference(["model", "seed", "layer", "class", "concept"], sort=False):
            order = controls.sort_values(["concept"]).sort_values(name, ascending=False, kind="stable")
            found[f"control_{name}"] = order["concept"].to_numpy()
    return found
