"""Scores and maps with random weights, targets and directions (rule randomize_network)."""

import numpy as np
import pandas as pd
from _stage import run
from tqdm import tqdm

from voxplain.artifacts import read_table, write_table
from voxplain.checks.findings import KEY
from voxplain.checks.looking import same_activations
from voxplain.checks.presets.variants import View
from voxplain.checks.randomization.compute import INTACT, compare_maps, randomized_networks
from voxplain.checks.randomization.rescoring import member_cavs, random_directions, rescore
from voxplain.models.trained import load_trained
from voxplain.videos.store import ClipStore, LabelStore


def main(stage):
    params, seed = stage.params, int(stage.wildcards.seed)
    model = load_trained(stage.input.weights, trust=stage.networks)
    place = (params.layer, params.grid)
    members = pd.concat([read_table(path, "concept_members") for path in stage.input.members])
    members = members.rename(columns={"label": "class"}).groupby(["class", "concept"]).head(params.members)
    ranks = pd.concat([read_table(path, "class_scores") for path in stage.input.scores])
    ranks = ranks[["class", "concept", "rank"]].rename(columns={"rank": "rank_run"})
    kept = pd.concat([read_table(path, "distinct_supervoxels") for path in stage.input.supervoxels])
    kept = kept[kept["video"].isin(params.discovery)]
    rng = np.random.default_rng(seed)
    pool = kept[KEY].iloc[rng.permutation(len(kept))[: params.pool]]

    networks = randomized_networks(model, levels=params.levels, draws=params.draws, seed=seed)
    scores = []
    videos = sorted({*members["video"], *params.discovery})
    with ClipStore(stage.input.clips, videos) as clips, LabelStore(stage.input.labels) as labels:
        whole = clips.table[clips.table["video"].isin(params.discovery)]
        shown, names = clips.fetch(whole.index.to_numpy()), whole["label"].tolist()
        look = dict(
            view=View(**params.view), sets=params.sets, cavs=params.cavs, batch=params.batch, seed=seed
        )
        intact = member_cavs(model, clips, labels, members, pool, place, **look)

        def note(network, vectors, check, level, depth, draw, shift=0):
            found = rescore(
                network, shown, names, vectors, place, shift=shift, rank_by=params.rank_by, batch=params.batch
            )
            scores.append(found.assign(check=check, level=level, depth=depth, draw=draw))

        for (check, level, draw), (depth, network) in tqdm(networks.items(), unit="network", mininterval=10):
            # Weights above the layer do not change what a supervoxel's activation is.
            above = level == INTACT or same_activations(model, network, shown[:1], place)
            cavs = intact if above else member_cavs(network, clips, labels, members, pool, place, **look)
            note(network, cavs, check, level, depth, draw)
        for draw in range(params.draws):
            if draw + 1 < len(model.classes):
                note(model, intact, "shuffled_targets", "another class", 0, draw, shift=draw + 1)
            note(
                model,
                random_directions(intact, seed=seed + draw),
                "random_directions",
                "random CAVs",
                0,
                draw,
            )

    with (
        ClipStore(stage.input.test, params.explained) as clips,
        LabelStore(stage.input.test_labels) as labels,
    ):
        found = clips.table
        others = {key: network for key, (_, network) in networks.items() if key[1] != INTACT}
        maps = compare_maps(
            model,
            others,
            clips.fetch(found.index.to_numpy()),
            found["label"].tolist(),
            params.explainers,
            batch=params.map_batch,
            labels=labels.of_videos(list(found["video"].unique())),
            segmentation=params.segmentation,
        )
    depths = {level: depth for (_, level, _), (depth, _) in networks.items()}
    maps["depth"] = maps["level"].map(depths).fillna(0).astype(int)
    place = {"model": stage.wildcards.model, "seed": seed, "layer": params.layer}
    table = pd.concat(scores, ignore_index=True).merge(ranks, on=["class", "concept"])
    write_table(stage.output.scores, table.assign(**place), kind="randomized_scores", made_by=stage.made_by)
    write_table(stage.output.maps, maps.assign(**place), kind="randomized_maps", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
