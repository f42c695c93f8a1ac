"""Activations of a shard's supervoxels and clips, and their logit gradients (rule extract_activations)."""

import numpy as np
from _stage import run
from tqdm import tqdm

from voxplain.activations import layer_activations, logit_gradients
from voxplain.artifacts import open_h5, read_table, resumable_h5
from voxplain.device import batched
from voxplain.models.trained import load_trained
from voxplain.patches import supervoxel_inputs


def main(stage):
    options, layers = stage.params.options, stage.params.layers
    grid = options["pooling"] and tuple(options["pooling"])
    model = load_trained(stage.input.weights, trust=stage.networks)

    def shown(clips):
        return layer_activations(model.network, model.inputs(clips), layers, grid=grid)[0]

    kept = read_table(stage.input.supervoxels, "distinct_supervoxels")
    kept = {key: rows[["level", "supervoxel"]].to_numpy() for key, rows in kept.groupby(["video", "clip"])}
    with (
        open_h5(stage.input.clips, "clips") as clips,
        open_h5(stage.input.labels, "supervoxels") as labels,
        resumable_h5(
            stage.output[0],
            kind="activations",
            made_by=stage.made_by,
            inputs=stage.input,
            attrs=stage.measured,
        ) as shard,
    ):
        for (video, number), rows in tqdm(kept.items(), unit="clip", mininterval=10):
            if shard.done(f"{video}#{number}"):
                continue
            clip, label = clips[video]["clips"][number], clips[video].attrs["label"]
            patches = supervoxel_inputs(
                clip,
                labels[video]["labels"][number],
                rows,
                form=options["form"],
                fill=model.fill(options["fill"]),
                preset=stage.params.preset,
                batch=options["batch"],
            )
            parts = [batched(shown, p, options["batch"]) for p in patches]
            whole, logits = layer_activations(model.network, model.inputs(clip[None]), layers, grid=grid)
            gradients = logit_gradients(
                model.network, model.inputs(clip[None]), model.targets([label]), layers, grid=grid
            )
            arrays = {"kept": rows, "logits": logits[0].cpu().numpy()}
            for layer in layers:
                arrays[f"supervoxels/{layer}"] = np.concatenate([part[layer].cpu().numpy() for part in parts])
                arrays[f"clip/{layer}"] = whole[layer][0].cpu().numpy()
                arrays[f"gradient/{layer}"] = gradients[layer][0].cpu().numpy()
            shard.write(f"{video}#{number}", arrays, {"video": video, "clip": number, "label": label})


if __name__ == "__main__":
    run(main, globals())
