"""Steering: concepts' directions removed from a layer's activation, or added to it, and the rest of the network run."""
