"""Where in a network motion can be read: linear probes of its layers for how the evidence moves, is placed and sized."""
