"""Motion or appearance: what the network answers, and where explanations lie, when either is changed."""
