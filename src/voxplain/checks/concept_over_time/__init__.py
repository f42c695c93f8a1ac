"""Share and directional derivative of each concept in every window of a video."""
