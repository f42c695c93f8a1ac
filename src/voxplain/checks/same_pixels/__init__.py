"""Whether explanations follow the network, where two networks see the same pixels."""
