"""Checks of the methods themselves: which of their findings can be trusted."""

VALIDITY_TABLES = {
    "presets": (
        "Papers, released code and corrections",
        "What each deviation between the authors' code, the papers and the corrected form changes.",
    ),
    "concept_ground_truth": (
        "Concepts against the ground truth",
        "Whether importance ranks concepts by how much of them lies on the actor or on the cue.",
    ),
    "randomization": (
        "Randomization",
        "Whether scores and maps notice that weights, targets, supervoxels or directions are random.",
    ),
    "stability": (
        "Stability",
        "How far scores and ranks depend on seeds, random sets, clusters and the layer.",
    ),
}
