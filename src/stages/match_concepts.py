"""Share of every concept on what decides the class, other objects, cue and background (rule match_concepts)."""

import pandas as pd
from _stage import run

from voxplain.artifacts import read_table, write_table
from voxplain.checks.concept_ground_truth.compute import concept_shares
from voxplain.videos.store import SupervoxelStore, TruthStore

COLUMNS = ["variant", "class", "concept", "score", "derivative", "effect", "rank"]


def main(stage):
    source, place = stage.input, {"model": stage.wildcards.model, "seed": int(stage.wildcards.seed)}
    scores = [read_table(source.scores, "scored_concepts").assign(variant="run")]
    members = [read_table(path, "concept_members").assign(variant="run") for path in source.members]
    if stage.params.layer == stage.wildcards.layer:
        members.append(read_table(source.variant_members, "variant_members"))
        scores.append(read_table(source.variant_scores, "variant_scores"))
    members, scores = pd.concat(members, ignore_index=True), pd.concat(scores, ignore_index=True)
    with SupervoxelStore(source.supervoxels) as supervoxels, TruthStore(source.truth) as truths:
        shares = concept_shares(members, truths.clip, supervoxels)
    table = scores[COLUMNS].merge(shares, on=COLUMNS[:3]).assign(**place, layer=stage.wildcards.layer)
    write_table(stage.output[0], table, kind="matched_concepts", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
