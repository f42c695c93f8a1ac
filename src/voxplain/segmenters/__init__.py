"""Segmenters: each divides a video into supervoxels at several resolutions.

A segmenter takes a video, (T, H, W, 3) uint8, and returns labels, (levels, T, H, W) uint16 from 1,
coarse levels first. Label 0 means that a voxel belongs to no supervoxel.
"""

from __future__ import annotations

from ..registry import Registry

REGISTRY = Registry("segmenter", "voxplain.segmenters")
