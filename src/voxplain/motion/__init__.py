"""Motion: selective relevance, optical flow, and how much of an explanation is motion."""
