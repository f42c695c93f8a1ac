"""A study of a run's concepts with people: which example does not belong, and what is this?

Both questions are those of Ghorbani and others, Towards automatic concept-based explanations, NeurIPS (2019), section 4.1, whose concepts 3D-ACE
takes to video. Beside every concept stands a random set, of which nobody can tell more than chance.
"""
