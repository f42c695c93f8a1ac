"""Networks: built by name, with given weights, ready for hooks."""
