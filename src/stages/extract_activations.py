"""Activations of a shard's supervoxels and clips, and their logit gradients (rule extract_activations)."""

from _stage import run
from tqdm import tqdm

from voxplain.activations import layer_activations, logit_gradients, supervoxel_activations
from voxplain.artifacts import open_h5, resumable_h5
from voxplain.models.trained import load_trained
from voxplain.supervoxels import distinct_supervoxels


def main(stage):
    options, layers, videos = stage.params.options, stage.params.layers, stage.params.videos
    grid = options["pooling"] and tuple(options["pooling"])
    model = load_trained(stage.input.weights, trust=stage.networks, precision=stage.precision)
    with (
        open_h5(stage.input.clips, "clips") as clips,
        open_h5(stage.input.supervoxels, "supervoxels") as segmented,
        resumable_h5(stage.output[0], kind="activations", **stage.resumed) as shard,
    ):
        there = {video: range(len(segmented[video]["labels"])) for video in videos if video in segmented}
        for video, number in tqdm([(v, n) for v in there for n in there[v]], unit="clip", mininterval=10):
            if shard.done(f"{video}#{number}"):
                continue
            clip, class_name = clips[video]["clips"][number], clips[video].attrs["class"]
            levels = segmented[video]["labels"][number]
            rows = distinct_supervoxels(levels, stage.params.preset, **stage.params.criteria)
            if not len(rows):
                continue
            parts, alone = supervoxel_activations(
                model, clip, levels, rows, layers, preset=stage.params.preset, **options
            )
            inputs = model.inputs(clip[None])
            with model.passes():  # whole clips are compared with supervoxels
                whole, logits = layer_activations(model.network, inputs, layers, grid=grid)
            gradients = logit_gradients(model.network, inputs, model.targets([class_name]), layers, grid=grid)
            arrays = {"kept": rows, "logits": logits[0].float().cpu().numpy(), "supervoxel_logits": alone}
            for layer in layers:
                arrays[f"supervoxels/{layer}"] = parts[layer]
                arrays[f"clip/{layer}"] = whole[layer][0].cpu().numpy()
                arrays[f"gradient/{layer}"] = gradients[layer][0].cpu().numpy()
            shard.write(f"{video}#{number}", arrays, {"video": video, "clip": number, "class": class_name})


if __name__ == "__main__":
    run(main, globals())
