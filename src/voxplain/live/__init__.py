"""Explanations of a running stream: frames in, overlays and their speed out."""
