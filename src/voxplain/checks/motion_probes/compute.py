"""What the evidence of a clip does, and how well a linear probe of a layer's activation tells it of new clips."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from ...activations import Grid, layer_activations
from ...device import batched
from ...models.shapes import layer_names
from ...models.trained import TrainedModel
from ...pixel_maps import frame_difference_map, saturation_map
from ...videos.truth import Truth
from ..concept_motion.compute import stand_still
from ..randomization.compute import randomized, weight_groups

NETWORK, FROZEN, RANDOM, PIXELS, CLASS = "network", "frozen", "random_network", "pixels", "class"
MOTION = ("speed", "velocity")
QUANTITIES = (*MOTION, "place", "size")
PENALTIES = np.logspace(-1, 5, 13)
FEWEST = 3  # layers that are worth a curve, and clips that a probe takes
COLUMNS = ["source", "layer", "depth", "quantity", "video", "clip", "error", "deviation"]


class Side(NamedTuple):
    """Clips of which is known what their evidence does.

    Attributes
    ----------
    clips : (N, T, H, W, 3) uint8
    quantities : list of dict
        As of `evidence_quantities`.
    table : DataFrame
        video, clip and class.
    """

    clips: np.ndarray
    quantities: list[dict[str, np.ndarray]]
    table: pd.DataFrame


def evidence_quantities(truth: Truth) -> dict[str, np.ndarray] | None:
    """How a clip's evidence moves and where it is.

    Parameters
    ----------
    truth : Truth
        With flow.

    Returns
    -------
    dict of (components,) float, or None where evidence or flow is nowhere known
        speed: mean length of the flow, in pixels per frame. velocity: its mean (x, y): motion to and fro has none. place: mean
        (x, y) of the voxels, in frame widths and heights. size: share of the clip's voxels.
    """
    mask = truth.masks().get("evidence")
    if mask is None or truth.flow is None:
        return None
    moving = truth.flow[mask[:-1]]
    moving = moving[~np.isnan(moving).any(axis=1)]
    if not len(moving):
        return None
    _, y, x = np.nonzero(mask)
    place = np.array([(x.mean() + 0.5) / mask.shape[2], (y.mean() + 0.5) / mask.shape[1]])
    speed = np.hypot(*moving.T).mean()
    found = {"speed": speed[None], "velocity": moving.mean(axis=0), "place": place, "size": mask.mean()[None]}
    return {name: np.asarray(values, dtype=np.float64) for name, values in found.items()}


def pixel_features(clip: np.ndarray) -> np.ndarray:
    """What a clip's pixels say without a network: (8,) float means and deviations of colors, change and saturation.

    Parameters
    ----------
    clip : (T, H, W, 3) uint8
    """
    change, saturation = frame_difference_map(clip), saturation_map(clip)
    values = clip.reshape(-1, 3).astype(np.float64)
    return np.array(
        [*values.mean(axis=0), values.std(), change.mean(), change.std(), saturation.mean(), saturation.std()]
    )


def probed_layers(model: nn.Module, clip: Sequence[int], most: int = 8) -> list[str]:
    """Layers with a grid, evenly spread over the network, the first and the last among them.

    Parameters
    ----------
    model : Module in evaluation mode
    clip : (T, H, W)
    most : int

    Returns
    -------
    list of str
        Of the modules of least depth in the tree of modules of which there are three.
    """
    layers = [layer.name for layer in layer_names(model, frames=clip[0], size=clip[1]) if layer.axes]
    depths = {name: name.count(".") for name in layers}
    for depth in range(max(depths.values(), default=0) + 1):
        found = [name for name in layers if depths[name] == depth]
        if len(found) >= FEWEST:
            break
    else:
        found = layers
    chosen = np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int))
    return [found[number] for number in chosen]


def layer_features(
    network: nn.Module,
    inputs: Callable[[np.ndarray], torch.Tensor],
    clips: np.ndarray,
    layers: Sequence[str],
    *,
    grid: Grid | None,
    batch: int = 8,
) -> dict[str, np.ndarray]:
    """Activations of clips at layers, averaged to a grid as those are that concepts are found in.

    Parameters
    ----------
    network : Module in evaluation mode
    inputs : callable
        From uint8 (n, T, H, W, 3) to the network's input.
    clips : (N, T, H, W, 3) uint8
    layers, grid
        As for `voxplain.activations.layer_activations`.

    Returns
    -------
    dict of (N, d) float32
    """

    def shown(some: np.ndarray) -> dict[str, np.ndarray]:
        found = layer_activations(network, inputs(some), layers, grid=grid)[0]
        return {name: values.float().cpu().numpy() for name, values in found.items()}

    return batched(shown, clips, batch)


def probe(features: np.ndarray, targets: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Predictions of a ridge regression on standardized features, whose penalty leave-one-out errors choose.

    Parameters
    ----------
    features : (n, d) float
    targets : (n, components) float
    new : (m, d) float

    Returns
    -------
    (m, components) float
    """
    fitted = make_pipeline(StandardScaler(), RidgeCV(PENALTIES)).fit(features, targets)
    return fitted.predict(new).reshape(len(new), -1)


def probe_rows(
    features: Mapping[tuple[str, str], tuple[np.ndarray, np.ndarray]],
    targets: tuple[Sequence[Mapping[str, np.ndarray]], Sequence[Mapping[str, np.ndarray]]],
    test: pd.DataFrame,
) -> pd.DataFrame:
    """Errors of probes on test clips, beside those of the mean of the training clips.

    Parameters
    ----------
    features : mapping of (source, layer) to (n, d) and (m, d) float
        Of training and of test clips; layers of a source in the order of the network.
    targets : two sequences of mapping of str to (components,) float
        Of training and of test clips, as of `evidence_quantities`.
    test : DataFrame
        video and clip of the test clips.

    Returns
    -------
    DataFrame
        source, layer, depth (place among the source's layers, from 0), quantity, video, clip, error (squared distance of
        prediction and truth), deviation (squared distance of the training clips' mean and truth).
    """
    rows, depths = [], {}
    for (source, layer), (known, new) in features.items():
        depth = depths[source] = depths.get(source, -1) + 1
        for quantity in QUANTITIES:
            own, truth = (np.stack([of[quantity] for of in side]) for side in targets)
            error = ((probe(known, own, new) - truth) ** 2).sum(axis=1)
            deviation = ((own.mean(axis=0) - truth) ** 2).sum(axis=1)
            part = test[["video", "clip"]].assign(
                source=source, layer=layer, depth=depth, quantity=quantity, error=error, deviation=deviation
            )
            rows.append(part)
    return pd.concat(rows, ignore_index=True)[COLUMNS]


def probe_network(
    model: TrainedModel,
    train: Side,
    test: Side,
    *,
    layers: int,
    grid: Grid | None,
    batch: int = 8,
    seed: int = 0,
) -> pd.DataFrame:
    """Probes of a network's layers and of all controls.

    Parameters
    ----------
    model : TrainedModel
    train, test : Side
        What probes are fitted on, and what they are asked about.
    layers : int
        As `most` of `probed_layers`.
    grid, batch
        As for `layer_features`.
    seed : int
        Of the random network.

    Returns
    -------
    DataFrame
        As of `probe_rows`; without rows where either side has fewer than 3 clips.
    """
    if min(len(train.table), len(test.table)) < FEWEST:
        return pd.DataFrame(columns=COLUMNS)
    names = probed_layers(model.network, train.clips.shape[1:4], layers)
    random = randomized(model, weight_groups(model.network), seed=seed)
    shown = [side.clips for side in (train, test)]
    still = [np.stack([stand_still(clip) for clip in clips]) for clips in shown]
    features: dict[tuple[str, str], tuple[np.ndarray, ...]] = {}
    for source, network, sides in ((NETWORK, model, shown), (FROZEN, model, still), (RANDOM, random, shown)):
        found = [
            layer_features(network.network, network.inputs, clips, names, grid=grid, batch=batch)
            for clips in sides
        ]
        features |= {(source, name): tuple(side[name] for side in found) for name in names}
    features[PIXELS, ""] = tuple(np.stack([pixel_features(clip) for clip in clips]) for clips in shown)
    # Classes move each in its own way: what is known of a clip's class is no reading of its motion.
    features[CLASS, ""] = tuple(
        np.eye(len(model.classes))[model.targets(side.table["class"].tolist()).cpu()]
        for side in (train, test)
    )
    return probe_rows(features, (train.quantities, test.quantities), test.table.reset_index(drop=True))
