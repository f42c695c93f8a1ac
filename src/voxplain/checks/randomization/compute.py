"""Do scores and maps notice when what they explain is random?

Adebayo and others, "Sanity checks for saliency maps" (2018): an explanation that stays the same when the
network's weights are replaced by random ones, from the top down, does not explain the network.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from skimage.metrics import structural_similarity
from torch import nn

from ...explaining import explain_by_all
from ...models.external import weighted_parts
from ...models.trained import TrainedModel
from ...models.upper import redraw
from ...statistics import rank_correlation
from ...streams import seed_of
from . import BASELINE, INTACT


def weight_groups(network: nn.Module) -> list[str]:
    """Parts of a network that have weights: the head, then the others from the last that is declared to the first.

    What holds other parts and little else (a list, a sequence of nearly all weights), or the head, is opened.
    For weights that lie in no part the network itself, ``""``, stands last.

    Parameters
    ----------
    network : Module
        As built by `voxplain.build_model`.
    """
    head = network.spec.head
    parts = [name for name in weighted_parts(network, opened=head) if name != head]
    groups = [head, *parts[::-1]]
    inside = tuple(f"{group}." for group in groups)
    return groups + [""] * (not all(name.startswith(inside) for name, _ in network.named_parameters()))


def cascade(groups: Sequence[str], levels: int) -> list[list[str]]:
    """Growing sets of groups from the top: the head alone first, all of them last, at most `levels` sets."""
    ends = np.unique(np.linspace(1, len(groups), min(levels, len(groups))).round().astype(int))
    return [list(groups[:end]) for end in ends]


def randomized(model: TrainedModel, parts: Sequence[str], *, seed: int) -> TrainedModel:
    """A copy of a network in which some parts have the weights and statistics of an untrained one.

    Parameters
    ----------
    parts : sequence of str
        Names of submodules.
    """
    network = copy.deepcopy(model.network)
    redraw(network, parts, seed=seed)
    return TrainedModel(network.eval(), model.classes, model.device)


def random_head(model: TrainedModel, *, seed: int) -> TrainedModel:
    """A copy of a network in which the head, the last part with weights, is untrained."""
    return randomized(model, weight_groups(model.network)[:1], seed=seed)


def randomized_networks(
    model: TrainedModel, *, levels: int, draws: int, seed: int, name: str = ""
) -> dict[tuple[str, str, int], tuple[int, TrainedModel]]:
    """The intact network, and networks with random weights from the head down.

    Parameters
    ----------
    levels : int
        Steps of the cascade.
    draws : int
        Networks per step, each with random numbers of its own.
    seed, name
        Of the network, which no other's random numbers follow.

    Returns
    -------
    dict
        (check ``weights``, lowest random part or `INTACT`, draw) to (number of random parts, network).
    """
    networks = {("weights", INTACT, 0): (0, model)}
    for parts in cascade(weight_groups(model.network), levels):
        for draw in range(draws):
            number = seed_of(seed, "randomized", name, len(parts), draw)
            other = randomized(model, parts, seed=number)
            networks["weights", parts[-1], draw] = (len(parts), other)
    return networks


def map_similarity(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    """Spearman's rank correlation and structural similarity of two maps.

    Parameters
    ----------
    a, b : (T, H, W) array
        For the structural similarity each is scaled to a largest absolute value of 1.

    Returns
    -------
    dict
        spearman: 0 where one of the maps is constant, which nothing of the other is left in; NaN where both are.
        ssim: in windows of at most 7 along every axis; along an axis of 1 or 2, such as the time of clips of so many
        frames, the mean over its slices; NaN where every axis is that short.
    """
    thin = [axis for axis, size in enumerate(a.shape) if size < 3]  # a window of 1 has no variance
    sizes = [size for size in a.shape if size >= 3]
    similarity = np.nan
    if sizes:
        scaled = [x / max(np.abs(x).max(), np.finfo(np.float32).tiny) for x in (a, b)]
        similarity = structural_similarity(
            *[np.moveaxis(x.astype(np.float64), thin, range(len(thin))).reshape(-1, *sizes) for x in scaled],
            win_size=min(7, *(size - (size + 1) % 2 for size in sizes)),
            data_range=2.0 if min(map(np.min, scaled)) < 0 else 1.0,
            channel_axis=0,
        )
    ranges = np.ptp(a), np.ptp(b)
    spearman = 0.0 if min(ranges) == 0 < max(ranges) else rank_correlation(a.ravel(), b.ravel())
    return {"spearman": spearman, "ssim": float(similarity)}


def compare_maps(
    model: TrainedModel,
    others: Mapping[tuple[str, str, int], tuple[int, TrainedModel]],
    clips: np.ndarray,
    classes: Sequence[str],
    explainers: Mapping[str, Mapping[str, Any]],
    *,
    unrelated: int = 2,
    batch: int = 8,
    **known: Any,
) -> pd.DataFrame:
    """Similarity of every explainer's maps of a network to those of random ones, and of another class.

    Parameters
    ----------
    model : TrainedModel
    others : mapping
        As from `randomized_networks`, whose intact one is left out.
    clips : (N, T, H, W, 3) uint8
    classes : (N,) str
        Of the clips.
    explainers : mapping
        As for `voxplain.explaining.explain_by_all`, and so is **known.
    unrelated : int
        Clips after each, in turn, whose maps its own is compared with.

    Returns
    -------
    DataFrame
        check, part, depth, draw, method, clip (number), spearman, ssim. Check `BASELINE` is of the intact network's maps
        alone: part ``unrelated``, a clip's with another clip's (a row for each of the two); ``negated``, a clip's
        with its own times -1.
    """
    targets = model.targets(list(classes))
    explained = dict(explainers=explainers, batch=batch, **known)
    ours = explain_by_all(model, clips, targets, **explained)
    count = len(model.classes)
    rows = [row for method, maps in ours.items() for row in baseline(method, maps, unrelated)]
    compared = {key: found for key, found in others.items() if key[1] != INTACT}
    for (check, part, draw), (depth, other) in {
        **compared,
        ("shuffled_targets", "next class", 0): (0, model),
    }.items():
        asked = (targets + 1) % count if check == "shuffled_targets" else targets
        theirs = explain_by_all(other, clips, asked, **explained)
        for method, maps in ours.items():
            for number, (a, b) in enumerate(zip(maps, theirs[method], strict=True)):
                row = {"check": check, "part": part, "depth": depth, "draw": draw, "method": method}
                row["clip"] = number
                rows.append(row | map_similarity(a, b))
    return pd.DataFrame(rows)


def baseline(method: str, maps: np.ndarray, unrelated: int) -> list[dict[str, Any]]:
    """Rows of `compare_maps` for a method's maps (N, T, H, W): how alike those are that nothing relates."""
    rows, count = [], len(maps)
    for a in range(count):
        known = {"check": BASELINE, "part": "negated", "depth": 0, "draw": 0, "method": method, "clip": a}
        rows.append(known | map_similarity(maps[a], -maps[a]))
        for step in range(1, min(unrelated, (count - 1) // 2 or count - 1) + 1):
            b = (a + step) % count
            found = map_similarity(maps[a], maps[b])
            rows += [known | {"part": "unrelated", "draw": step, "clip": clip} | found for clip in (a, b)]
    return rows
