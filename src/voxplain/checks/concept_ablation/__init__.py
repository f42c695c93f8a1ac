"""Importance of concepts by ablation, and how well it agrees with that by direction."""
