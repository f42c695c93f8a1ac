"""The clips that show each concept, with its supervoxel, as small pictures (rule animate_concepts)."""

from _stage import run
from tqdm import tqdm

from voxplain.artifacts import read_table, write_json
from voxplain.report.strips import clip_strip, mask_strip
from voxplain.videos.store import ClipStore, LabelStore


def main(stage):
    chosen = []
    for place, path in zip(stage.params.places, stage.input.members, strict=True):
        members = read_table(path, "concept_members")
        for concept, rows in members.groupby("concept"):
            nearest = rows.drop_duplicates("video").head(stage.params.examples)
            chosen.append((place | {"concept": int(concept)}, list(nearest.itertuples())))
    videos = {example.video for _, examples in chosen for example in examples}
    clips, concepts = {}, []
    with ClipStore(stage.input.clips, videos) as source, LabelStore(stage.input.labels) as labels:
        for concept, examples in tqdm(chosen, unit="concept", mininterval=10):
            shown = []
            for example in examples:
                name = f"{example.video} {example.clip}"
                if name not in clips:
                    clips[name] = clip_strip(source.clip(example.video, example.clip))
                mask = labels.labels(example.video, example.clip)[example.level] == example.supervoxel
                shown.append({"clip": name, "video": example.video, "mask": mask_strip(mask)})
            concepts.append(concept | {"examples": shown})
    write_json(
        stage.output[0], {"clips": clips, "concepts": concepts}, kind="concept_clips", made_by=stage.made_by
    )


if __name__ == "__main__":
    run(main, globals())
