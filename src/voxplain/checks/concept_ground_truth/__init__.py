"""How well orders of concepts find the actor, or the cue."""
