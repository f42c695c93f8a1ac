"""What a map and its selection must beat: maps that know no network, and other ways of keeping as many voxels.

All functions take one clip. The controls that need a network, another class's map and that of a network with a random
head, are made with the explanations (rule explain_clips).
"""

from __future__ import annotations

import zlib

import numpy as np
import scipy  # whose parts are loaded when they are used

from ..pixel_maps import PIXEL_MAPS
from .precision import Ranking

Controls = dict[tuple[str, str], np.ndarray]
WITHOUT_NETWORK = frozenset(
    [*(f"control_{name}" for name in (*PIXEL_MAPS, "size", "middle")), "random", "random_volume"]
)


def is_control(method: str) -> bool:
    """Whether a name in the column ``method`` is a control's and no explainer's."""
    return method.startswith("control_") or method == "random"


def knows_network(control: str) -> bool:
    """Whether a control of maps, curves or concepts, by its name, is made with a network."""
    return control.removesuffix("_least") not in WITHOUT_NETWORK


def pixel_controls(
    frames: np.ndarray, labels: np.ndarray | None = None, *, video: str | None = None, number: int = 0
) -> Controls:
    """Maps that know the pixels and no network.

    Parameters
    ----------
    frames : (T, H, W, 3) uint8 array
    labels : (levels, T, H, W) int array, optional
        Supervoxels; the middle level is taken.
    video, number
        The clip, which the noise is drawn for; without a video there is none.

    Returns
    -------
    dict of (name, "") to (T, H, W) float32 array, 0 or more
        ``control_`` and a name in `voxplain.pixel_maps.PIXEL_MAPS`; of what may be negative, the clip's least value is 0. control_size, with
        labels: voxels of the supervoxel that a voxel lies in. random: uniform noise.
    """
    found = {f"control_{name}": of_pixels(frames) for name, of_pixels in PIXEL_MAPS.items()}
    found = {name: values - min(values.min(), 0) for name, values in found.items()}
    if video is not None:
        rng = np.random.default_rng([zlib.crc32(video.encode()), number])
        found["random"] = rng.random(frames.shape[:3])
    if labels is not None:
        level = labels[len(labels) // 2]
        found["control_size"] = np.bincount(level.ravel())[level]
    return {(name, ""): np.ascontiguousarray(values, np.float32) for name, values in found.items()}


def selection_controls(
    relevance: np.ndarray,
    ranked: Ranking,
    relevant: np.ndarray,
    selected: np.ndarray,
    chosen: np.ndarray,
    changes: np.ndarray | None = None,
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Other ways of keeping as many voxels of a map as its selection does.

    Parameters
    ----------
    relevance : (T, H, W) array
    ranked : Ranking
        Of the relevance.
    relevant, selected, chosen : (T, H, W) bool arrays
        What is relevant in the whole map, what is selected, and what is relevant in the selective map.
    changes : (T, H, W) array, optional
        How much the pixels change to the next frame.

    Returns
    -------
    dict of str to (kept, chosen), (T, H, W) bool arrays
        As many voxels as the selection keeps with positive relevance, and as many as it keeps that are relevant.
        control_same_size: those of the greatest relevance in the clip. control_same_size_per_frame: in every frame as
        many as the selection keeps there. control_spatial_derivative: those, of positive relevance or relevant, where
        the relevance changes most in space: the length of its Sobel derivatives in height and width, taken by the
        kernel that the selection takes in time. control_pixel_change, with `changes`: those where the pixels change
        most, not the relevance. (Where the pixels change, so do most maps: of a random network and noise, too.)
    """
    positive = relevance > 0
    numbers = [mask.sum(axis=(1, 2)) for mask in (selected & positive, chosen)]
    values = relevance.astype(np.float32)
    slope = np.hypot(*(scipy.ndimage.sobel(values, axis=axis, mode="nearest") for axis in (1, 2)))
    frames = [Ranking.of(ranked.levels[[t]]) for t in range(len(relevance))]

    def most(order: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(
            Ranking.of(np.where(among, order, -1)).greatest(int(n.sum()))
            for among, n in zip((positive, relevant), numbers, strict=True)
        )

    found = {
        "control_same_size": tuple(ranked.greatest(int(n.sum())) for n in numbers),
        "control_same_size_per_frame": tuple(
            np.concatenate([frame.greatest(int(k)) for frame, k in zip(frames, n, strict=True)])
            for n in numbers
        ),
        "control_spatial_derivative": most(slope),
    }
    return found if changes is None else found | {"control_pixel_change": most(changes)}
