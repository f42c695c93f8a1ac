"""Agreement of ranks and spread of scores over every choice."""
