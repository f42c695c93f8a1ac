"""Figure 1: the most and the least important concepts of a class, on the actual clips (rule plot_concepts)."""

from _stage import run

from voxplain.artifacts import atomic_path, read_table
from voxplain.figures import Example, concept_figure
from voxplain.videos.store import ClipStore, LabelStore


def main(stage):
    options = stage.params.options
    scores = read_table(stage.input.scores, "class_scores").sort_values("rank")
    members = read_table(stage.input.members, "concept_members")
    shown = min(options["concepts"], len(scores) // 2)
    rows = []
    with (
        ClipStore(stage.input.clips, members["video"].unique()) as clips,
        LabelStore(stage.input.labels) as labels,
    ):
        for _, row in [*scores.iloc[:shown].iterrows(), *scores.iloc[-shown:].iterrows()]:
            chosen = (
                members[members["concept"] == row["concept"]]
                .drop_duplicates("video")
                .head(options["examples"])
            )
            examples = [
                Example(
                    clips.clip(m.video, m.clip),
                    labels.labels(m.video, m.clip)[m.level] == m.supervoxel,
                    m.video,
                )
                for m in chosen.itertuples()
            ]
            heading = f"rank {row['rank']} of {len(scores)}\nscore {row['score']:.2f} ± {row['score_sd']:.2f}"
            rows.append((f"{heading}\n{row['n_videos']} videos", examples))
        place = f"{stage.wildcards.model}, {stage.wildcards.layer}"
        figure = concept_figure(
            rows, title=f"{stage.params.label}: most and least important concepts ({place})"
        )
    with atomic_path(stage.output[0]) as path:
        figure.savefig(path, dpi=110)


if __name__ == "__main__":
    run(main, globals())
