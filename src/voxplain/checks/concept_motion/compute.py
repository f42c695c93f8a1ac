"""Where both papers meet: how much of a concept moves, and how much relevance falls into it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ...motion.precision import base_rate


def concept_shares(
    masks: np.ndarray,
    moving: np.ndarray,
    maps: Mapping[str, np.ndarray],
    selected: Mapping[str, np.ndarray],
    *,
    pairs: np.ndarray,
) -> pd.DataFrame:
    """Shares of one clip's concepts. Concepts overlap, so the shares of all may sum to more than 1.

    Parameters
    ----------
    masks : (concepts, T, H, W) bool
    moving : (T-1, H, W) bool
        Which voxels move on their way to the next frame.
    maps : mapping of str to (T, H, W) float
        Relevance by explainer; only the positive part counts.
    selected : mapping of str to (T, H, W) bool
        What the selective map keeps, by explainer.
    pairs : (T-1,) bool
        Which frames are followed by the next one; the others tell nothing about motion.

    Returns
    -------
    DataFrame, one row per concept
        concept, volume_share (of the clip's voxels), moving_share (of the concept's voxels that move),
        relevance_share_NAME and selective_share_NAME (of the clip's relevance, and of its selected
        relevance, that lies in the concept). NaN where there is nothing to take a share of.
    """
    volume = masks.mean(axis=(1, 2, 3))
    inside = masks[:, :-1][:, pairs]
    rows = {
        "concept": np.arange(len(masks)),
        "volume_share": volume,
        "moving_share": _ratio((inside & moving[pairs]).sum(axis=(1, 2, 3)), inside.sum(axis=(1, 2, 3))),
    }
    flat = masks.reshape(len(masks), -1).astype(np.float32)
    for name, relevance in maps.items():
        positive = np.maximum(relevance, 0).ravel()
        rows[f"relevance_share_{name}"] = _ratio(flat @ positive, positive.sum())
        kept = positive * selected[name].ravel()
        rows[f"selective_share_{name}"] = _ratio(flat @ kept, kept.sum())
    return pd.DataFrame(rows)


def motion_shares(
    moving: np.ndarray, maps: Mapping[str, np.ndarray], *, pairs: np.ndarray
) -> dict[str, float]:
    """Share of one clip that moves, and share of each explainer's relevance that lies where it does.

    Parameters as in `concept_shares`.

    Returns
    -------
    dict : moving_share and relevance_on_motion_NAME; NaN where no frame is followed by the next
    """
    frames = {name: np.maximum(relevance[:-1][pairs], 0) for name, relevance in maps.items()}
    shares = {"moving_share": base_rate(moving[pairs]) if pairs.any() else np.nan}
    for name, positive in frames.items():
        shares[f"relevance_on_motion_{name}"] = float(
            _ratio((positive * moving[pairs]).sum(), positive.sum())
        )
    return shares


def stand_still(clip: np.ndarray) -> np.ndarray:
    """The clip's middle frame as long as the clip: (T, H, W, 3) uint8."""
    return np.repeat(clip[len(clip) // 2][None], len(clip), axis=0)


def _ratio(part: np.ndarray | float, whole: np.ndarray | float) -> np.ndarray:
    part, whole = np.broadcast_arrays(np.asarray(part, dtype=float), np.asarray(whole, dtype=float))
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
