"""Figure 1: concepts on the actual clips, as pictures and for the report's browser (rule show_concepts)."""

from _stage import run
from matplotlib import pyplot
from tqdm import tqdm

from voxplain.artifacts import atomic_path, read_table, write_json
from voxplain.concepts.names import with_names
from voxplain.figures import Example, concept_figure
from voxplain.report.strips import clip_strip, mask_strip
from voxplain.videos.store import ClipStore, SupervoxelStore


def main(stage):
    options, classes, wildcards = stage.params.options, stage.params.classes, stage.wildcards
    scores = with_names(read_table(stage.input.scores, "scored_concepts"), stage.params.names, complete=True)
    nearest = {}
    for class_name, path in zip(classes, stage.input.members, strict=True):
        for concept, rows in read_table(path, "concept_members").groupby("concept"):
            shown = rows.drop_duplicates("video").head(options["examples"])
            nearest[class_name, concept] = list(shown.itertuples())
    videos = {example.video for examples in nearest.values() for example in examples}
    strips, concepts = {}, []
    with ClipStore(stage.input.clips, videos) as clips, SupervoxelStore(stage.input.supervoxels) as store:

        def example_of(row):
            mask = store.labels(row.video, row.clip)[row.level] == row.supervoxel
            return Example(clips.clip(row.video, row.clip), mask, row.video)

        for class_name, path in zip(classes, tqdm(stage.output.figures, unit="class"), strict=True):
            ranked = scores[scores["class"] == class_name].sort_values("rank")
            ends, rows = min(options["concepts"], len(ranked) // 2), []
            for _, row in [*ranked.iloc[:ends].iterrows(), *ranked.iloc[-ends:].iterrows()]:
                heading = (
                    f"rank {row['rank']} of {len(ranked)}\nscore {row['score']:.2f} ± {row['score_sd']:.2f}"
                )
                examples = [example_of(one) for one in nearest[class_name, row["concept"]]]
                name = f"{row['name']}\n" if row.get("name") else ""
                rows.append((f"{name}{heading}\n{row['n_videos']} videos", examples))
            place = f"{wildcards.model}, {wildcards.layer}"
            figure = concept_figure(rows, title=f"{class_name}: most and least important concepts ({place})")
            with atomic_path(path) as temporary:
                figure.savefig(temporary, dpi=110)
            pyplot.close(figure)
        for (class_name, concept), examples in nearest.items():
            place = {"model": wildcards.model, "seed": int(wildcards.seed), "layer": wildcards.layer}
            place |= {"class": class_name, "concept": int(concept), "examples": []}
            for row in examples:
                example, name = example_of(row), f"{row.video} {row.clip}"
                if name not in strips:
                    strips[name] = clip_strip(example.clip)
                shown = {"clip": name, "video": row.video, "mask": mask_strip(example.mask)}
                place["examples"].append(shown)
            concepts.append(place)
    content = {"clips": strips, "concepts": concepts}
    write_json(stage.output.clips, content, kind="concept_clips", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
