"""Which frames matter: relevance over time beside what hiding or repeating a frame changes."""
