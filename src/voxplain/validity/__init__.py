"""Checks of the methods themselves: which of their findings can be trusted."""

VALIDITY_TABLES = {
    "presets": "What each deviation between the authors' code, the papers and the corrected form changes.",
    "concept_ground_truth": "Whether the score ranks concepts by how much of them lies on the actor or on the cue.",
    "randomization": "Whether scores and maps notice that weights, targets, supervoxels or directions are random.",
    "stability": "How far scores and ranks depend on seeds, random sets, clusters and the layer.",
}
