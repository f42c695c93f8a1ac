"""Which method notices which randomization."""

INTACT = "none"  # part of the network as it is
BASELINE = "baseline"  # check that compares maps of the intact network with each other
