"""Checks: can what the methods find be trusted, does it name what the network uses, and does it move?"""

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
FAITHFULNESS_TABLES = {
    "faithfulness": (
        "Faithfulness",
        "How fast the class's probability falls when the supervoxels a method ranks first are hidden, and rises "
        "when they alone are shown.",
    ),
    "concept_ablation": (
        "Importance by ablation",
        "How much the class's score depends on each concept when random concepts are hidden, beside its CAV score.",
    ),
    "concept_ablation_agreement": (
        "Agreement of ablation and direction",
        "Kendall's tau of concepts ranked by ablation and by their CAVs.",
    ),
    "concept_motion": (
        "Concepts and motion",
        "How much of each concept moves, and how much of each explainer's relevance and of its selective part "
        "falls into it.",
    ),
    "motion_reliance": (
        "Reliance on motion",
        "Classes ranked by how much of their probability is lost when the clip stands still.",
    ),
    "concept_over_time": (
        "Concepts over time",
        "Share and directional derivative of each concept in every window of a video.",
    ),
}
