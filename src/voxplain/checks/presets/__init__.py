"""What every deviation from the corrected form changes."""
