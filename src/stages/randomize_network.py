"""Scores and maps with random weights, targets and directions (rule randomize_network)."""

import pandas as pd
from _stage import run

from voxplain.activation_store import read_kept
from voxplain.artifacts import read_table, write_table
from voxplain.checks.findings import KEY
from voxplain.checks.presets.variants import View
from voxplain.checks.randomization.compute import compare_maps, randomized_networks
from voxplain.checks.randomization.rescoring import rescore_networks
from voxplain.models.trained import load_trained
from voxplain.streams import seed_of, stream
from voxplain.videos.store import ClipStore, SupervoxelStore


def main(stage):
    params, seed, name = stage.params, int(stage.wildcards.seed), stage.wildcards.model
    model = load_trained(stage.input.weights, trust=stage.networks)
    members = pd.concat([read_table(path, "concept_members") for path in stage.input.members])
    members = members.groupby(["class", "concept"]).head(params.members)
    ranks = pd.concat([read_table(path, "scored_concepts") for path in stage.input.scores])
    ranks = ranks[["class", "concept", "rank"]].rename(columns={"rank": "rank_run"})
    kept = read_kept(stage.input.activations, params.discovery)
    pool = kept[KEY].iloc[stream(seed, "pool", name).permutation(len(kept))[: params.pool]]
    networks = randomized_networks(model, levels=params.levels, draws=params.draws, seed=seed, name=name)
    videos, place = sorted({*members["video"], *params.discovery}), (params.layer, params.grid)
    looked = dict(view=View(**params.view), sets=params.sets, cavs=params.cavs, batch=params.batch)
    looked |= dict(videos=params.discovery, draws=params.draws, rank_by=params.rank_by)
    looked["seed"] = seed_of(seed, "rescore", name)
    with (
        ClipStore(stage.input.clips, videos) as clips,
        SupervoxelStore(stage.input.supervoxels) as supervoxels,
    ):
        scores = rescore_networks(model, networks, clips, supervoxels, members, pool, place, **looked)
    with (
        ClipStore(stage.input.test, params.explained) as clips,
        SupervoxelStore(stage.input.test_supervoxels) as supervoxels,
    ):
        maps = compare_maps(
            model,
            networks,
            clips.fetch(clips.table.index.to_numpy()),
            clips.table["class"].tolist(),
            params.explainers,
            unrelated=params.unrelated,
            batch=params.map_batch,
            labels=supervoxels.of_videos(list(clips.table["video"].unique())),
            segmentation=params.segmentation,
        )
    where = {"model": name, "seed": seed, "layer": params.layer}
    scores = scores.merge(ranks, on=["class", "concept"]).assign(**where)
    write_table(stage.output.scores, scores, kind="randomized_scores", made_by=stage.made_by)
    write_table(stage.output.similarity, maps.assign(**where), kind="map_similarity", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
