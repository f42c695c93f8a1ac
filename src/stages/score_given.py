"""Concepts that the config gives, scored, tested and steered as found ones are, and some examples (rule score_given)."""

from functools import partial
from pathlib import Path

import pandas as pd
from _stage import run
from matplotlib import pyplot

from voxplain.activation_store import read_classes
from voxplain.artifacts import atomic_path, write_table
from voxplain.concepts.given.compute import score_members
from voxplain.concepts.given.examples import gather_members, keep_some, run_examples
from voxplain.concepts.given.steer import steer_directions
from voxplain.figures import Example, concept_figure
from voxplain.finished import FinishedLayer
from voxplain.models.trained import load_trained
from voxplain.streams import stream
from voxplain.videos.store import ClipStore

PICTURES = 4  # of each concept, and of its control


def main(stage):
    source, wildcards, params = stage.input, stage.wildcards, stage.params
    layer = wildcards.layer
    how = {"draws": params.draws, "grid": params.grid and tuple(params.grid), "batch": params.batch}
    files = {kind: source.get(kind, []) for kind in ("clips", "truth", "supervoxels", "activations")}
    folder, shards = Path(source.scores).parent, tuple(files["activations"])
    place = FinishedLayer(wildcards.model, int(wildcards.seed), layer, folder, shards)
    model = load_trained(source.weights, trust=stage.networks, precision=stage.precision)
    seen, names = read_classes(shards), {"model": place.model, "seed": place.seed, "layer": layer}
    classes, scores, steered, pictures = sorted(set(seen.values())), [], [], []
    with ClipStore(source.test_clips, params.videos) as clips:
        for name, given in params.given.items():
            kept = {}
            examples = run_examples(given, seen, **files, options=params.clips, seed=place.seed)
            shown = keep_some(examples, kept, PICTURES)
            members = gather_members(model, shown, classes, [layer], **place.shown)[layer]
            found = score_members(members, place, name=name, whole=given["folder"] is not None)
            for of, few in found.few.items():
                print(f"{name}: fewer than three examples ({of}) of {', '.join(few)}")
            how["rng"] = partial(stream, params.draws_seed, "score_given", place.model, layer, name)
            steered.append(steer_directions(model, clips, found.directions, layer, **how).assign(name=name))
            scores.append(found.table.assign(name=name))
            for of, its in kept.items():
                pictures.append((f"{name}\n{of}", [Example(*one) for one in its.values()]))
    made = {stage.output.scores: ("given_scores", scores), stage.output.steered: ("steered_given", steered)}
    for path, (kind, some) in made.items():
        table = pd.concat(some, ignore_index=True).assign(**names)
        write_table(path, table, kind=kind, made_by=stage.made_by | stage.measured())
    figure = concept_figure(pictures, title="Examples of given concepts, and of what they are compared with")
    with atomic_path(stage.output.examples) as path:
        figure.savefig(path, dpi=110)
    pyplot.close(figure)


if __name__ == "__main__":
    run(main, globals())
