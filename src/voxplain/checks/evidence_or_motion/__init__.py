"""Whether explanations lie on what decides the class, or on whatever else there is and moves."""
