"""Optical flow estimators (a registry, `base.FLOWS`), camera motion, and endpoint errors.

Every flow is ``(T-1, H, W, 2) float32``: entry ``[t, y, x]`` is the displacement (dx, dy), in pixels per
frame, of what is seen at (x, y) in frame t on its way to frame t + 1.
"""
