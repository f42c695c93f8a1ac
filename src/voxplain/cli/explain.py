"""``explain``: what a network looks at in one video, as an overlay."""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path

import av
import matplotlib
import numpy as np

from ..artifacts import atomic_path
from ..device import choose_device
from ..errors import ConfigError, nearest
from ..explainers import EXPLAINERS
from ..explainers.entry import explain
from ..models.build import build_model
from ..models.trained import TrainedModel, load_trained
from ..models.weights import load_weights
from ..videos.clips import read_clips
from ..videos.decode import probe
from .values import key_values


def main(arguments: argparse.Namespace) -> int:
    options = key_values(arguments.option)
    EXPLAINERS[arguments.method].options(options)  # before any work
    model = _model(arguments.weights, arguments.network)
    frames, size = model.spec.frames or arguments.frames, model.spec.size or arguments.size
    clips, _ = read_clips(arguments.video, frames=frames, size=size)
    logits = model.logits(clips)[0]
    target = _target(arguments.target, model.classes) if arguments.target else int(logits.argmax())
    relevance = explain(model.network, clips, target, arguments.method, **options)[0].cpu().numpy()
    write_video(arguments.out, overlay(clips[0], relevance), probe(arguments.video).fps)
    answer = model.classes[logits.argmax()]
    print(
        f"The network's answer is {answer}; {arguments.out} shows the relevance for {model.classes[target]}."
    )
    return 0


def overlay(clip: np.ndarray, relevance: np.ndarray, *, strength: float = 0.85) -> np.ndarray:
    """Draw relevance over the darkened, gray clip: the brighter and yellower, the more relevant.

    Parameters
    ----------
    clip : (T, H, W, 3) uint8
    relevance : (T, H, W) float
        Of negative relevance, the magnitude is shown.
    strength : float
        Of the overlay, 0..1.

    Returns
    -------
    (T, H, W, 3) uint8
    """
    amount = np.abs(relevance)
    # A few extreme voxels would leave all others dark.
    limit = np.percentile(amount, 99.5) or amount.max() or 1.0
    amount = np.clip(amount / limit, 0, 1)
    gray = clip.mean(axis=-1, keepdims=True) / 255 * 0.6
    colors = matplotlib.colormaps["inferno"](amount)[..., :3]
    weight = strength * np.sqrt(amount)[..., None]
    return np.rint(255 * ((1 - weight) * gray + weight * colors)).astype(np.uint8)


def write_video(path: str, frames: np.ndarray, fps: float) -> None:
    """Write (T, H, W, 3) uint8 as H.264; height and width are cut to even numbers, as it wants them."""
    frames = frames[:, : frames.shape[1] // 2 * 2, : frames.shape[2] // 2 * 2]
    with atomic_path(path) as temporary:
        try:
            container = av.open(str(temporary), "w")
        except (av.FFmpegError, ValueError):
            raise ConfigError(f"No video can be written to {path}: give a name that ends in .mp4.") from None
        with container:
            stream = container.add_stream("h264", rate=Fraction(fps).limit_denominator(1001))
            stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
            stream.options = {"crf": "18"}
            for frame in frames:
                container.mux(
                    stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24"))
                )
            container.mux(stream.encode())


def _model(weights: str, network: str | None) -> TrainedModel:
    """Load the network from a run's weights alone, or build the named one with the given weights."""
    if Path(weights).is_file():
        _, spec, about = load_weights(weights)
        if spec and "classes" in about:
            return load_trained(weights)
    if network is None:
        raise ConfigError(f"{weights} does not say which network it is for: add --network NAME.")
    device = choose_device()
    model = build_model(network, weights).to(device)
    return TrainedModel(model, [str(number) for number in range(model.spec.num_classes)], device)


def _target(given: str, classes: list[str]) -> int:
    if given in classes:
        return classes.index(given)
    if given.isdigit() and int(given) < len(classes):
        return int(given)
    raise ConfigError(
        f"The network has no class {given!r}{nearest(given, classes)} Known: {', '.join(classes[:50])}."
    )
