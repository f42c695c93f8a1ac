"""Faults and bad input, generated: what is lost, changed in silence, told badly, or reached that should not be."""
