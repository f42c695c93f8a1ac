"""Which relevance changes in time: masks of the selective maps of a shard (rule select_relevance)."""

from _stage import run
from tqdm import tqdm

from voxplain.artifacts import create_h5, open_h5, store
from voxplain.explanation_store import scaled_maps
from voxplain.motion.selective import selective_relevance


def main(stage):
    params = stage.params
    with (
        open_h5(stage.input.explanations, "explanations") as source,
        create_h5(stage.output[0], kind="selective_maps", made_by=stage.made_by) as file,
    ):
        for video in tqdm(source, unit="video", mininterval=10):
            group = file.create_group(video)
            for name in params.explainers:
                maps = scaled_maps(source[video], name)
                selected = selective_relevance(maps, params.sigma, params.preset, **params.options)
                store(group, name, selected != 0)


if __name__ == "__main__":
    run(main, globals())
