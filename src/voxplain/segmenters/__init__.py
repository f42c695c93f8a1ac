"""Segmenters: each divides a video into supervoxels at several resolutions.

A segmenter takes a video, (T, H, W, 3) uint8, and the keyword ``n_segments``, the approximate number of
supervoxels of each level, coarse levels first; its other keyword-only parameters are its options. It returns
labels, (levels, T, H, W) of a whole-number type, from 1. Label 0 means that a voxel belongs to no supervoxel.
`voxplain.supervoxels.segment_supervoxels` checks both.
"""

from __future__ import annotations

from ..registry import Registry

SEGMENTERS = Registry("segmenter", "voxplain.segmenters")
