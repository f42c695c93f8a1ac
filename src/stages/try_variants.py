"""Concepts of the same videos under presets and single deviations (rule try_variants)."""

from _stage import run

from voxplain.artifacts import write_table
from voxplain.models.trained import load_trained
from voxplain.validity.presets import Bench, try_variants
from voxplain.validity.variants import VARIANTS, chosen
from voxplain.videos.store import ClipStore, LabelStore


def main(stage):
    params, seed = stage.params, int(stage.wildcards.seed)
    videos = [*params.discovery, *params.evaluation]
    with ClipStore(stage.input.clips, videos) as clips, LabelStore(stage.input.labels) as labels:
        bench = Bench(
            load_trained(stage.input.weights),
            clips,
            labels,
            params.discovery,
            params.evaluation,
            params.layer,
            params.clustering,
            params.sets,
            params.batch,
            seed,
        )
        tables = try_variants(bench, chosen(params.variants, VARIANTS))
    place = {"model": stage.wildcards.model, "seed": seed, "layer": params.layer}
    for name, table in tables.items():
        write_table(stage.output[name], table.assign(**place), kind=f"variant_{name}", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
