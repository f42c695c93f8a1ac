"""TV-L1 flow by scikit-image."""

from __future__ import annotations

import numpy as np

from .base import FLOWS, flow_by_pairs


@FLOWS("tvl1", source="Zach et al. 2007, by scikit-image")
def tvl1(
    frames: np.ndarray,
    *,
    attachment: float = 15.0,
    tightness: float = 0.3,
    num_warp: int = 5,
    num_iter: int = 10,
    tol: float = 1e-4,
    prefilter: bool = False,
) -> np.ndarray:
    """Total-variation flow with an L1 data term: sharp motion boundaries, slow.

    Parameters
    ----------
    frames : (T, H, W, 3) uint8 array
    attachment, tightness, num_warp, num_iter, tol, prefilter
        As in ``skimage.registration.optical_flow_tvl1``.

    Returns
    -------
    (T-1, H, W, 2) float32 array
        (dx, dy) in pixels per frame.
    """
    from skimage.registration import optical_flow_tvl1  # here, so that listing does not wait for it

    def flow_of_pair(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        # The data term is weighed for intensities in [0, 1].
        rows_columns = optical_flow_tvl1(
            np.float32(first) / 255,
            np.float32(second) / 255,
            attachment=attachment,
            tightness=tightness,
            num_warp=num_warp,
            num_iter=num_iter,
            tol=tol,
            prefilter=prefilter,
        )
        return np.moveaxis(rows_columns[::-1], 0, -1)

    return flow_by_pairs(frames, flow_of_pair)
