"""Claims: what a run shows, each beside chance and the best control, with one verdict."""
