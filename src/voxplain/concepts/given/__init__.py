"""Concepts that a user brings: where their examples are, how they are scored and steered, and tables of both."""
