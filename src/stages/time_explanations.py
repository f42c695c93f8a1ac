"""Time explanations and the selection on top of them, on the clips themselves (rule time_explanations)."""

import numpy as np
import pandas as pd
from _stage import run
from tqdm import tqdm

from voxplain.artifacts import open_h5, write_table
from voxplain.errors import VoxplainError
from voxplain.explainers.entry import explain
from voxplain.explaining import segmented_by, wanted_labels
from voxplain.models.trained import load_trained
from voxplain.motion.selective import selective_relevance
from voxplain.timing import describe_device, time_steps
from voxplain.videos.store import SupervoxelStore

SIGMA = 2.0  # whichever: what selecting costs does not hang on it


def main(stage):
    params = stage.params
    model = load_trained(stage.input.weights, trust=stage.networks)
    batch, found = params.timing["batch"], {}
    for path, videos in zip(stage.input.clips, params.videos, strict=True):
        if sum(map(len, found.values())) < batch:
            with open_h5(path, "clips") as source:
                usable = [video for video in videos if video in source and "clips" in source[video]][:batch]
                found |= {video: source[video]["clips"][()] for video in usable}
    if not found:
        raise VoxplainError("No clip to explain is usable; see tables/set_aside.csv for the reasons.")
    clips = np.concatenate(list(found.values()))[:batch]
    with SupervoxelStore(stage.input.get("supervoxels", [])) as store:
        labels = store.of_videos(list(found))
    targets = model.targets(model.predict(clips).tolist())
    tables = []
    for name, settings in tqdm(params.explainers.items(), unit="method", mininterval=10):
        method, options = settings["method"] or name, dict(settings["options"])
        supervoxels = wanted_labels(method, options, labels, params.segmentation)
        if supervoxels is not None:
            options["labels"] = supervoxels[: len(clips)]
        elif params.segmentation:
            options = segmented_by(method, options, params.segmentation)
        first, both = time_steps(
            lambda: explain(model.network, clips, targets, method, **options),
            lambda maps: selective_relevance(maps, SIGMA, params.preset, **params.options),
            model.device,
            repeats=params.timing["repeats"],
            warmup=params.timing["warmup"],
        )
        for selective, readings in ((False, first), (True, both)):
            milliseconds = np.array(readings) / len(clips)
            tables.append(pd.DataFrame({"method": name, "selective": selective, "ms": milliseconds}))
    table = pd.concat(tables, ignore_index=True)
    table = table.assign(model=stage.wildcards.model, device=describe_device(model.device), batch=len(clips))
    write_table(stage.output[0], table, kind="timings", made_by=stage.made_by | stage.measured())


if __name__ == "__main__":
    run(main, globals())
