"""Whether relevance leans to one side of the frame, whatever is shown."""
