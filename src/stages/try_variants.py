"""Concepts of the same videos under presets and single deviations (rule try_variants)."""

from _stage import run

from voxplain.activation_store import read_activations
from voxplain.artifacts import write_table
from voxplain.checks.presets.compute import Bench, try_variants
from voxplain.checks.presets.variants import VARIANTS, View
from voxplain.models.trained import load_trained
from voxplain.streams import seed_of
from voxplain.videos.store import ClipStore, SupervoxelStore


def main(stage):
    params, model = stage.params, stage.wildcards.model
    videos = [*params.discovery, *params.evaluation]
    place, view = (params.layer, params.grid), View(**params.view)
    found = read_activations(stage.input.activations, params.layer, videos=set(videos))
    known = {(view, place): (found.table, found.supervoxels)}
    with (
        ClipStore(stage.input.clips, videos) as clips,
        SupervoxelStore(stage.input.supervoxels) as supervoxels,
    ):
        bench = Bench(
            load_trained(stage.input.weights, trust=stage.networks, precision=stage.precision),
            clips,
            supervoxels,
            params.discovery,
            params.evaluation,
            params.layer,
            params.clustering,
            params.sets,
            params.editing,
            known,
            params.batch,
            {name: seed_of(seed, "variants", name, model) for name, seed in params.seeds.items()},
        )
        tables = try_variants(bench, {name: VARIANTS[name] for name in params.variants})
    where = {"model": model, "seed": int(stage.wildcards.seed), "layer": params.layer}
    for name, table in tables.items():
        write_table(stage.output[name], table.assign(**where), kind=f"variant_{name}", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
