"""At which precision a network is shown many clips, by what bfloat16 changes (rule choose_precision)."""

import pandas as pd
from _stage import run

from voxplain.artifacts import write_table
from voxplain.models.precision import Sample, decide_precision
from voxplain.models.trained import load_trained
from voxplain.streams import stream
from voxplain.supervoxels import distinct_supervoxels
from voxplain.videos.store import ClipStore, SupervoxelStore


def main(stage):
    params, samples = stage.params, []
    place = {"model": stage.wildcards.model, "seed": int(stage.wildcards.seed)}
    model = load_trained(stage.input.weights, trust=stage.networks)
    with (
        ClipStore(stage.input.clips, params.videos) as clips,
        SupervoxelStore(stage.input.supervoxels) as supervoxels,
    ):
        rows = clips.table.drop_duplicates("video")
        for video, number, class_name in zip(rows["video"], rows["clip"], rows["class"], strict=True):
            labels = supervoxels.labels(video, number)
            kept = distinct_supervoxels(labels, params.preset, **params.criteria)
            if len(kept):
                samples.append(Sample(clips.clip(video, number), labels, kept, class_name))
    rng = stream(place["seed"], "choose_precision", place["model"])
    found = decide_precision(model, samples, params.layers, params.asked, rng=rng, **params.options)
    print(", ".join(f"{name} {value}" for name, value in found.items()))
    table = pd.DataFrame([place | found])
    write_table(stage.output[0], table, kind="chosen_precision", made_by=stage.made_by | stage.measured())


if __name__ == "__main__":
    run(main, globals())
