"""Which method notices which randomization."""

INTACT = "none"  # part of the network as it is
