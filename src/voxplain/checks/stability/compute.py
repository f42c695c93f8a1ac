"""How far scores and ranks depend on choices that should not matter, and on how many CAVs are averaged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy  # whose parts are loaded when they are used

from ...activation_store import LayerActivations
from ...concepts.scores import effects, importance
from ...errors import VoxplainError
from ..findings import Found, find_concepts, rank_agreement

PRECISE = 0.05


def set_sizes(sets: int) -> list[int]:
    """Numbers of random sets of which two disjoint subsets can be drawn: 1, 2, 4, ..., half of all."""
    sizes = [2**power for power in range(sets.bit_length()) if 2 ** (power + 1) <= sets]
    return sorted({*sizes, sets // 2})


def converge(
    derivatives: np.ndarray,
    distances: np.ndarray,
    *,
    sizes: Sequence[int],
    rank_by: str = "effect",
    draws: int = 50,
    seed: int | np.random.Generator = 0,
) -> list[dict[str, Any]]:
    """Scores of one class from fewer random sets.

    Two disjoint subsets stand for two runs that differ in their random sets alone, so their agreement is
    that of a repetition, without the flattery of comparing a subset with a whole that it is part of.

    Parameters
    ----------
    derivatives : (concepts, sets, clips) float
    distances : (concepts, sets) float
    sizes : sequence of int
        Sets per subset, at most half of all.
    rank_by : {"effect", "score"}
    draws : int
        Pairs of subsets per size.

    Returns
    -------
    list of dict
        value (sets), tau (Kendall's tau-b of the ranks in both halves of a pair, mean over the pairs that have one, NaN
        where none has), pairs (so many have), spread (standard deviation of a score from so many sets, mean over
        concepts, from the pairs' differences), needed (sets for a spread of `PRECISE`, as the spread falls with the root of their number).
    """
    shares = importance(derivatives)
    means = derivatives.mean(axis=2)
    changes = effects(derivatives, distances)
    deviation = shares.std(axis=1, ddof=1)
    needed = float(np.ceil(np.mean((deviation / PRECISE) ** 2)))
    rng = np.random.default_rng(seed)
    rows = []
    for size in sizes:
        taus, differences = [], []
        for _ in range(draws):
            order = rng.permutation(shares.shape[1])
            halves = [order[:size], order[size : 2 * size]]
            scores = [shares[:, half].mean(axis=1) for half in halves]
            ranks = [
                np.lexsort((means[:, half].mean(axis=1), score)).argsort()
                if rank_by == "score"
                else changes[:, half].mean(axis=1)
                for half, score in zip(halves, scores, strict=True)
            ]
            taus.append(scipy.stats.kendalltau(*ranks).statistic if len(shares) > 1 else np.nan)
            differences.append(scores[0] - scores[1])
        # The difference of two independent scores has twice the variance of one.
        spread = np.sqrt(np.mean(np.square(differences), axis=0) / 2).mean()
        taus = [tau for tau in taus if not np.isnan(tau)]
        agreement = {"tau": float(np.mean(taus)) if taus else np.nan, "pairs": len(taus)}
        rows.append({"value": str(size), **agreement, "spread": float(spread), "needed": needed})
    return rows


def vary(
    class_name: str,
    read: Callable[[str, int], LayerActivations],
    draw: Callable[[int], np.ndarray],
    *,
    clusters: Sequence[int],
    seeds: Sequence[tuple[int, int]],
    clustering: Mapping[str, Any],
    cavs: Mapping[str, Any],
    rank_by: str,
) -> tuple[list[dict[str, Any]], pd.DataFrame | None]:
    """Find a class's concepts again with other numbers of clusters, and with other seeds of clustering and random sets.

    Parameters
    ----------
    class_name : str
    read : callable
        Activations of a class by its name and the seed of clustering, which is that of their sample, too.
    draw : callable
        Random sets (sets, n, d) by their seed.
    clusters : sequence of int
        To try, one at a time.
    seeds : sequence of (int, int)
        Of clustering and of random sets: the run's own, then those to try.
    clustering, cavs, rank_by
        Those of the run: what `find_concepts` takes.

    Returns
    -------
    rows : list of dict
        what (clusters, draws), value, draw, class, tau (with the run's own choice, over supervoxels).
    importance : DataFrame or None
        class, video, clip, level, supervoxel, importance: of the run's own choice.
    """
    seen, sets = read(class_name, seeds[0][0]), draw(seeds[0][1])
    how = {"cavs": cavs, "rank_by": rank_by}
    own = _find(class_name, seen, sets, seed=seeds[0][0], clustering=clustering, **how)
    if own is None:
        return [], None
    trials = [("clusters", n, 0, {**clustering, "clusters": n}, seeds[0]) for n in clusters]
    trials += [("draws", "other seeds", n, clustering, pair) for n, pair in enumerate(seeds[1:])]
    rows = []
    for what, value, number, other, (seed, of_sets) in trials:
        if what == "draws":
            seen, sets = read(class_name, seed), draw(of_sets)
        found = _find(class_name, seen, sets, seed=seed, clustering=other, **how)
        if found is not None:
            tau = rank_agreement(own.table, found.table)
            rows.append({"what": what, "value": str(value), "draw": number, "class": class_name, "tau": tau})
    return rows, own.table.assign(**{"class": class_name})


def vary_videos(
    class_name: str,
    seen: LayerActivations,
    sets: np.ndarray,
    groups: Mapping[str, str],
    *,
    repeats: int,
    seed: int,
    rng: np.random.Generator,
    clustering: Mapping[str, Any],
    cavs: Mapping[str, Any],
    rank_by: str,
) -> list[dict[str, Any]]:
    """Find concepts in disjoint halves of a class's videos, of 2, 4, 8 groups and so on up to half of all.

    Parameters
    ----------
    class_name : str
    seen : LayerActivations
        Of this class, or of all.
    sets : (sets, n, d) float
        Random sets.
    groups : mapping of str to str
        Of what is not independent, by video: a group's videos lie in one half.
    repeats : int
        Pairs of halves of each size.
    seed : int
        Of clustering.
    rng : Generator
        Of the halves.
    clustering, cavs, rank_by
        As for `vary`. A concept of fewer videos needs fewer supervoxels, in proportion.

    Returns
    -------
    list of dict
        what (videos), value (groups of videos in each half), draw, class, tau (between both halves' ranks of all the class's
        supervoxels).
    """
    rows, clips = [], seen.clip_table[seen.clip_table["class"] == class_name]
    group = clips["video"].map(groups)
    names = sorted(group.unique())
    sizes = [2**power for power in range(1, len(names).bit_length()) if 2**power <= len(names) // 2]
    for size in sizes:
        least = round(clustering["min_supervoxels"] * size / len(names))
        how = {"clustering": {**clustering, "min_supervoxels": least}, "cavs": cavs, "rank_by": rank_by}
        for draw in range(repeats):
            order = rng.permutation(names)
            parts = [
                clips.loc[group.isin(half), "video"].unique()
                for half in (order[:size], order[size : 2 * size])
            ]
            halves = [_find(class_name, seen, sets, seed=seed, videos=part, **how) for part in parts]
            if None not in halves:
                tau = rank_agreement(*(half.table for half in halves))
                rows.append(
                    {"what": "videos", "value": str(size), "draw": draw, "class": class_name, "tau": tau}
                )
    return rows


def _find(
    class_name: str, seen: LayerActivations, sets: np.ndarray, *, cavs: Mapping[str, Any], **how: Any
) -> Found | None:
    try:
        return find_concepts(class_name, seen, sets, **how, **cavs)
    except VoxplainError as error:
        print(f"{class_name}, {how['clustering']['clusters']} clusters: left out. {error}")
        return None
