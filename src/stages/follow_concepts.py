"""Share and directional derivative of concepts in windows of some videos, and their frames (rule follow_concepts)."""

import pandas as pd
from _stage import run
from tqdm import tqdm

from voxplain.artifacts import open_h5, write_table
from voxplain.checks.concept_over_time.compute import middle_frames, read_longest, read_windows
from voxplain.checks.concept_over_time.follow import follow_clip
from voxplain.concepts.rankings import read_rankings
from voxplain.errors import VoxplainError
from voxplain.models.trained import load_trained
from voxplain.videos.plan import check_present, table_of_rows


def main(stage):
    params, wildcards = stage.params, stage.wildcards
    model = load_trained(stage.input.weights, trust=stage.networks, precision=stage.precision)
    places, scores = read_rankings(stage.input.concepts, stage.input.scores)
    vectors = {}
    for class_name, path in zip(scores, stage.input.cavs, strict=True):
        with open_h5(path, "cavs") as file:
            vectors[class_name] = file["vectors"][()]
    chosen = table_of_rows(params.listed["rows"])
    files = chosen["path"].tolist(), params.listed["files"]
    check_present(*files)
    named = zip(chosen["class"], chosen.itertuples(), strict=True)
    found = ((class_name, video, *read_windows(video, **params.windows)) for class_name, video in named)
    if params.longest:
        found = read_longest(chosen, params.longest, **params.windows)
    parts, frames = [], []
    for class_name, video, clips, indices in found:
        frames.append(middle_frames(clips).assign(video=video.video))
        for window, clip in enumerate(tqdm(clips, unit="window", mininterval=10)):
            known = {"places": places[class_name], "vectors": vectors[class_name]}
            first, last = indices[window].min(), indices[window].max()
            try:
                rows = follow_clip(model, clip, class_name, wildcards.layer, **known, **params.options)
            except VoxplainError as error:
                raise VoxplainError(f"{video.video}, frames {first} to {last}: {error}") from error
            rows["rank"] = scores[class_name]["rank"]
            place = {"class": class_name, "video": video.video, "window": window}
            parts.append(rows.assign(**place, first_frame=first, last_frame=last))
    network = {"model": wildcards.model, "seed": int(wildcards.seed), "layer": wildcards.layer}
    check_present(*files)
    for kind, path, some in (
        ("concept_windows", stage.output.windows, parts),
        ("window_frames", stage.output.frames, frames),
    ):
        table = pd.concat(some, ignore_index=True).assign(**network)
        write_table(path, table, kind=kind, made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
