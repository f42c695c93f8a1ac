"""Spatio-temporal concepts: clusters of supervoxels, their CAVs and their scores."""
