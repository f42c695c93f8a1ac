"""Which method notices which randomization."""

INTACT = "none"  # level of the network as it is
