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
    DataFrame, one row per explainer and concept
        method, concept, volume_share (of the clip's voxels), moving_share (of the concept's voxels that move),
        relevance_share and selective_share (of the clip's relevance by the explainer, and of what is selected of
        it, that lies in the concept). NaN where there is nothing to take a share of.
    """
    volume = masks.mean(axis=(1, 2, 3))
    inside = masks[:, :-1][:, pairs]
    known = {
        "concept": np.arange(len(masks)),
        "volume_share": volume,
        "moving_share": _ratio((inside & moving[pairs]).sum(axis=(1, 2, 3)), inside.sum(axis=(1, 2, 3))),
    }
    flat, parts = masks.reshape(len(masks), -1).astype(np.float32), []
    for name, relevance in maps.items():
        positive = np.maximum(relevance, 0).ravel()
        kept = positive * selected[name].ravel()
        shares = {
            "relevance_share": _ratio(flat @ positive, positive.sum()),
            "selective_share": _ratio(flat @ kept, kept.sum()),
        }
        parts.append(pd.DataFrame({"method": name, **known, **shares}))
    return pd.concat(parts, ignore_index=True)


def motion_shares(moving: np.ndarray, maps: Mapping[str, np.ndarray], *, pairs: np.ndarray) -> pd.DataFrame:
    """Share of one clip that moves, and share of each explainer's relevance that lies where it does.

    Parameters as in `concept_shares`.

    Returns
    -------
    DataFrame, one row per explainer
        method, moving_share, relevance_on_motion; NaN where no frame is followed by the next.
    """
    share = base_rate(moving[pairs]) if pairs.any() else np.nan
    rows = []
    for name, relevance in maps.items():
        positive = np.maximum(relevance[:-1][pairs], 0)
        rows.append((name, share, float(_ratio((positive * moving[pairs]).sum(), positive.sum()))))
    return pd.DataFrame(rows, columns=["method", "moving_share", "relevance_on_motion"])


def stand_still(clip: np.ndarray) -> np.ndarray:
    """The clip's middle frame as long as the clip: (T, H, W, 3) uint8."""
    return np.repeat(clip[len(clip) // 2][None], len(clip), axis=0)


def _ratio(part: np.ndarray | float, whole: np.ndarray | float) -> np.ndarray:
    part, whole = np.broadcast_arrays(np.asarray(part, dtype=float), np.asarray(whole, dtype=float))
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
