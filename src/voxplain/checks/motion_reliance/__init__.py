"""Classes by how far the network relies on motion."""
