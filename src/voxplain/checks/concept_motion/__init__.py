"""How much of every concept moves, and how much relevance falls into it."""
