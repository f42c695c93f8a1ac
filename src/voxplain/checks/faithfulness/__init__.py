"""Areas under deletion and insertion curves."""
