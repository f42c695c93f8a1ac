"""Clips, masks and maps as small pictures that a page can play: a strip has a clip's frames side by side."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from PIL import Image

# What a page is given of a clip at most: more is not seen, and would make the file large.
SIDE = 112
FRAMES = 32


def shown_frames(length: int) -> np.ndarray:
    """Frames of a clip that are shown, as indices: all, or `FRAMES` spread evenly."""
    return np.unique(np.linspace(0, length - 1, min(length, FRAMES)).round().astype(int))


def clip_strip(clip: np.ndarray, *, quality: int = 70) -> dict[str, Any]:
    """A clip as a strip.

    Parameters
    ----------
    clip : (T, H, W, 3) uint8 array
    quality : int
        Of WebP.

    Returns
    -------
    dict
        image (address), frames, height and width (of one frame, in pixels).
    """
    frames = clip[shown_frames(len(clip))]
    height, width = _fitted(*clip.shape[1:3])
    if (height, width) != clip.shape[1:3]:
        frames = np.stack(
            [cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in frames]
        )
    address = _address(Image.fromarray(_side_by_side(frames)), "webp", quality=quality, method=4)
    return {"image": address, "frames": len(frames), "height": height, "width": width}


def mask_strip(mask: np.ndarray) -> str:
    """A mask (T, H, W) of bool as the address of a strip of black and white."""
    return _address(
        Image.fromarray(_strip_of(mask.astype(np.uint8) * 255)).convert("1"), "png", optimize=True
    )


def relevance_strip(relevance: np.ndarray) -> str:
    """Positive relevance as the address of a gray strip.

    Gray is 255 times the square root of the share of the map's largest relevance, of which the half percent
    that is largest counts as one: single voxels would make all others dark.

    Parameters
    ----------
    relevance : (T, H, W) array
    """
    positive = relevance[relevance > 0]
    largest = float(np.quantile(positive, 0.995)) if positive.size else 0.0
    share = np.clip(relevance / largest, 0, 1) if largest > 0 else np.zeros(relevance.shape)
    gray = (255 * np.sqrt(share)).round().astype(np.uint8)
    return _address(Image.fromarray(_strip_of(gray)), "webp", quality=80, method=4)


def selection_strip(levels: np.ndarray) -> str:
    """Levels (T, H, W) of uint8 as the address of a strip that keeps them exactly, as gray."""
    return _address(Image.fromarray(_strip_of(levels)), "png", optimize=True)


def selection_levels(swept: np.ndarray) -> np.ndarray:
    """At how many of the swept thresholds a voxel is selected.

    What a threshold selects, any lower one selects too, so that the number says at which.

    Parameters
    ----------
    swept : (S, T, H, W) array
        Selective maps at rising thresholds (`voxplain.motion.selective.selective_sweep`).

    Returns
    -------
    (T, H, W) uint8 array
        0 where no threshold selects; n where the first n do.
    """
    return (swept != 0).sum(axis=0).astype(np.uint8)


def read_strip(address: str, frames: int, *, gray: bool = True) -> np.ndarray:
    """The frames of a strip: (frames, H, W) uint8 array, or (frames, H, W, 3) of a clip that is not `gray`."""
    with Image.open(io.BytesIO(base64.b64decode(address.partition("base64,")[2]))) as image:
        strip = np.asarray(image.convert("L" if gray else "RGB"))
    return np.stack(np.split(strip, frames, axis=1))


def _strip_of(values: np.ndarray) -> np.ndarray:
    """Frames of (T, H, W) uint8 side by side, reduced without mixing values."""
    height, width = _fitted(*values.shape[1:])
    frames = values[shown_frames(len(values))]
    if (height, width) != values.shape[1:]:
        frames = np.stack(
            [cv2.resize(frame, (width, height), interpolation=cv2.INTER_NEAREST) for frame in frames]
        )
    return _side_by_side(frames)


def _side_by_side(frames: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(list(frames), axis=1)


def _fitted(height: int, width: int) -> tuple[int, int]:
    factor = min(1.0, SIDE / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def _address(image: Image.Image, kind: str, **options: Any) -> str:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode()}"
