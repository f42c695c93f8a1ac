"""Freeze, shuffle, reverse and exchange what test clips show, and ask the network again (rule intervene_clips)."""

import numpy as np
import pandas as pd
from _stage import run
from tqdm import tqdm

from voxplain.artifacts import write_table
from voxplain.checks.interventions.compute import Scene, class_blocks, donors, intervene
from voxplain.models.trained import load_trained
from voxplain.streams import stream
from voxplain.videos.store import ClipStore, TruthStore


def main(stage):
    params, parts = stage.params, []
    place = {"model": stage.wildcards.model, "seed": int(stage.wildcards.seed)}
    model = load_trained(stage.input.weights, trust=stage.networks)
    fill = np.rint(model.network.spec.mean).astype(np.uint8)
    with ClipStore(stage.input.clips, params.groups) as store, TruthStore(stage.input.truth) as truths:
        clips = store.table.assign(group=store.table["video"].map(params.groups))
        hosts = clips[clips["video"].isin(params.videos)]
        blocks = class_blocks(sorted(hosts["class"].unique()))
        given = donors(clips, params.videos, blocks)
        class_of = dict(zip(clips["video"], clips["class"], strict=True))

        def shown(video, number):
            truth = truths.clip(video, number)
            known = () if truth is None else (truth.masks().get("evidence"), truth.known)
            return Scene(store.clip(video, number), *known), class_of[video]

        for video, number in tqdm(
            list(zip(hosts["video"], hosts["clip"], strict=True)), unit="clip", mininterval=10
        ):
            own = shown(video, number)
            # Where no clip of another class is there, nothing is exchanged.
            other = shown(*given[video, number]) if (video, number) in given else (Scene(own[0].clip), own[1])
            block = next(names for names in blocks if own[1] in names)
            options = {"classes": block, "segmentation": params.segmentation, "batch": params.batch}
            options |= {"fill": fill, "rng": stream(params.seed, "intervene_clips", video, number)}
            found = intervene(model, *own, *other, params.explainers, **options)
            parts.append(found.assign(video=video, clip=number, **{"class": own[1], "other_class": other[1]}))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    write_table(stage.output[0], table.assign(**place), kind="intervention_scores", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
