"""Spatio-temporal concepts: clusters of supervoxels, their CAVs and their scores."""

UNEDITED = "none"  # strategy of clips that are shown as they are
