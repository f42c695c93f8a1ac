"""Which method notices which randomization."""
