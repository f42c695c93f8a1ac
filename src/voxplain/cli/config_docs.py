"""``config``: write config/README.md and the config's JSON schema from the code."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ..artifacts import atomic_path
from ..config import Config, json_schema
from ..tables import PARTS, all_tables
from .listing import type_words
from .table_docs import artifacts_block, checks_block, with_block

# The first rules that a change of a key reruns; what uses their results follows. A key that is not
# here is an option of final tables, or has its section's entry. A test changes each key and compares with what the workflow reruns.
RERUNS = {
    "run": "train_model, compare_flows: the run's own folder is made under the new name",
    "parts": "what makes a part that was not there before, tabulate_claims",
    "data": "make_embedded_videos, or list_videos and cache_clips for videos of your own",
    "data.classes": "make_embedded_videos",
    "data.adapter": "list_videos",
    "data.options": "make_embedded_videos, or list_videos for videos of your own",
    "data.path": "list_videos, cache_clips (of the shards whose videos changed)",
    "clips": "cache_clips",
    "truth": "cache_truth",
    "seeds": "train_model, for new seeds",
    "streams.weights": "train_model",
    "streams.split": "train_model",
    "streams.clustering": "find_concepts, try_variants",
    "streams.random_sets": "probe_layers, draw_random_sets, draw_random_gradients, try_variants",
    "streams.draws": "edit_concepts, steer_concepts, score_given, try_variants, intervene_clips",
    "models": "train_model, of this network",
    "models.NAME.head": "extract_features, of this network",
    "models.NAME.head_views": "extract_features, of this network",
    "models.NAME.head_flip": "extract_features, of this network",
    "models.NAME.layers": "extract_activations, of this network",
    "supervoxels": "segment_supervoxels",
    "supervoxels.method": "segment_supervoxels, intervene_clips",
    "supervoxels.preset": "extract_activations",
    "supervoxels.options": "extract_activations",
    "activations": "extract_activations",
    "activations.pooling": "extract_activations, probe_layers",
    "concepts": "find_concepts, find_random_concepts, try_variants",
    "concepts.names": "tabulate_concepts, show_concepts",
    "concepts.given.NAME": "score_given",
    "concepts.cutoff": "find_concepts, find_random_concepts, try_variants",
    "concepts.popularity": "find_concepts, find_random_concepts, try_variants",
    "concepts.normalize": "find_concepts, find_random_concepts, try_variants",
    "concepts.max_supervoxels": "draw_random_sets",
    "concepts.models": "tabulate_concepts",
    "concepts.videos_per_class": "segment_supervoxels, probe_layers",
    "cavs": "find_concepts, find_random_concepts",
    "cavs.random_sets": "draw_random_sets",
    "cavs.negatives": "draw_random_sets",
    "cavs.set_size": "draw_random_sets, try_variants",
    "scores.null_clusterings": "find_random_concepts",
    "scores.null_gradients": "draw_random_gradients",
    "scores.rank_by": "score_concepts, vary_choices",
    "scores.test": "score_concepts",
    "editing": "edit_concepts",
    "steering": "steer_concepts, score_given",
    "editing.videos_per_class": "segment_supervoxels",
    "explainers": "explain_clips, time_explanations, randomize_network, perturb_supervoxels, measure_position, intervene_clips",
    "selective": "select_relevance, time_explanations",
    "selective.sigma": "select_relevance, select_variants",
    "selective.sweep": "measure_motion",
    "flow": "estimate_flow, compare_flows",
    "flow.method": "estimate_flow",
    "flow.camera": "estimate_flow",
    "flow.compare": "compare_flows",
    "flow.compared_clips": "compare_flows",
    "flow.moving.unit": "measure_motion, select_variants, measure_concept_motion",
    "flow.moving.threshold": "measure_motion, select_variants, measure_concept_motion",
    "flow.moving.sweep": "measure_motion",
    "relevance.models": "tabulate_relevance, tabulate_checks",
    "relevance.videos_per_class": "estimate_flow, explain_clips, time_explanations, compare_flows, measure_position, intervene_clips, probe_layers",
    "relevance.target": "explain_clips",
    "relevance.relevant": "measure_motion, select_variants",
    "relevance.batch": "explain_clips, randomize_network, measure_position, intervene_clips, probe_layers",
    "relevance.precision": "explain_clips",
    "relevance.controls": "explain_clips",
    "relevance.timing": "time_explanations",
    "checks.tables": "tabulate_checks, tabulate_claims",
    "checks.variants": "try_variants, select_variants",
    "checks.videos_per_class": "try_variants, randomize_network",
    "checks.edited_per_class": "try_variants",
    "checks.edited_concepts": "try_variants",
    "checks.edited_draws": "try_variants",
    "checks.random_sets": "try_variants, randomize_network",
    "checks.members": "randomize_network",
    "checks.pool": "randomize_network",
    "checks.unrelated": "randomize_network",
    "checks.levels": "randomize_network",
    "checks.draws": "randomize_network",
    "checks.randomized_explainers": "randomize_network",
    "checks.maps_per_class": "randomize_network",
    "checks.mirrored_per_class": "measure_position",
    "checks.mirrored_explainers": "measure_position",
    "checks.intervened_per_class": "intervene_clips, measure_frames",
    "checks.intervened_explainers": "intervene_clips",
    "checks.probed_layers": "probe_layers",
    "checks.clusters": "vary_choices",
    "checks.stable": "tabulate_checks",
    "checks.repeats": "vary_choices",
    "checks.halves": "vary_choices",
    "checks.perturbed_per_class": "perturb_supervoxels, ablate_concepts",
    "checks.perturbed_explainers": "perturb_supervoxels",
    "checks.fills": "perturb_supervoxels, ablate_concepts",
    "checks.steps": "perturb_supervoxels",
    "checks.orders": "perturb_supervoxels",
    "checks.masks": "perturb_supervoxels",
    "checks.subsets": "ablate_concepts",
    "checks.followed": "follow_concepts",
    "checks.followed_classes": "follow_concepts",
    "checks.window_step": "follow_concepts",
    "checks.windows": "follow_concepts",
    "device": "nothing",
    "device.precision": "choose_precision, and with float32 what was made by its choice",
    "accept_versions": "nothing; it keeps a change of these versions from doing so",
    "temporary": "cache_clips, or what else is named: what a run throws away lies in its own folder",
    "figures": "show_concepts",
    "figures.relevance": "show_relevance",
    "figures.animated": "show_relevance",
    "figures.videos": "show_relevance",
}

INTRODUCTION = """\
# The config

Generated by `python -m voxplain config` from `src/voxplain/config.py`; edit that, not this.

A config file says what is computed; how it is run (cores, memory, cluster) is up to Snakemake's command
line and `workflow/profiles/`. Give it with `snakemake --cores all --configfile FILE`, and change single keys
with `--config KEY=VALUE`. Without a file, `config/config.yaml` is taken. Before any work,
`python -m voxplain check FILE` finds what would fail later.

Unknown keys are errors, and what is left out has its default. Options of a plug-in (a network, a data set
adapter, a concept classifier, an explainer, a flow estimator) stand under `options` beside its name, those of a
segmenter under `method_options`: `python -m voxplain list models`, `list datasets`, `list segmenters`,
`list classifiers`, `list explainers` and `list flows` show them. Only what a config means counts for what is run
again: not the order of keys, not `8.0` for `8`, and not whether a default is written out. The last column names the first rules that a change runs again; everything that uses their results
follows, and nothing else does. (The report shows the whole config, so any change writes it anew.)
"""


class Key(NamedTuple):
    """One key of the config."""

    place: str
    field: FieldInfo

    @property
    def default(self) -> str:
        """The default as YAML in one line."""
        if self.field.is_required():
            return "required"
        value = self.field.get_default(call_default_factory=True)
        return f"`{json.dumps(value)}`"

    @property
    def reruns(self) -> str:
        """The first rules that a change reruns."""
        place = self.place
        parts = {entry.part for entry in all_tables().values() if place in entry.options.values()}
        # Claims are made from the others' tables.
        parts = parts - {"claims"} or parts
        if parts and place not in RERUNS:
            return ", ".join(f"tabulate_{part}" for part in PARTS if part in parts)
        while place not in RERUNS:
            place, _, last = place.rpartition(".")
            if not last:
                raise KeyError(
                    f"Say in RERUNS of voxplain.cli.config_docs what a change of {self.place} reruns."
                )
        return RERUNS[place]


def main(arguments: argparse.Namespace) -> int:
    root = Path(arguments.directory)
    for name, text in generated(root).items():
        with atomic_path(root / name) as path:
            path.write_text(text, encoding="utf-8")
        print(f"wrote {root / name}")
    return 0


def generated(root: Path) -> dict[str, str]:
    """Text of the files that are written from the config and from the entries of final tables, by their places."""
    pages = {name: (root / f"docs/{name}.md").read_text(encoding="utf-8") for name in ("artifacts", "checks")}
    return {
        "config/README.md": readme(),
        "workflow/schemas/config.schema.json": json_schema(),
        "docs/artifacts.md": with_block(pages["artifacts"], "tables", artifacts_block()),
        "docs/checks.md": with_block(pages["checks"], "checks", checks_block()),
    }


def readme() -> str:
    """Text of config/README.md."""
    return INTRODUCTION + "".join(f"\n## {title}\n\n{text}" for title, text in _sections())


def keys(section: type[BaseModel] = Config, place: str = "") -> Iterator[Key]:
    """All keys that are no sections, with dots between levels and ``NAME`` for a network's or explainer's."""
    for name, field in section.model_fields.items():
        inner = _section_of(field)
        if inner is None:
            yield Key(place + name, field)
        else:
            named = "NAME." if get_origin(field.annotation) is dict else ""
            yield from keys(inner, f"{place}{name}.{named}")


def _sections() -> Iterator[tuple[str, str]]:
    plain = [key for key in keys() if "." not in key.place]
    yield "Top level", _table(plain, "")
    yield from _nested(Config, "")


def _nested(section: type[BaseModel], place: str) -> Iterator[tuple[str, str]]:
    for name, field in section.model_fields.items():
        inner = _section_of(field)
        if inner is not None:
            named = "NAME." if get_origin(field.annotation) is dict else ""
            inside = f"{place}{name}.{named}"
            own = [key for key in keys(inner, inside) if "." not in key.place.removeprefix(inside)]
            about = (inner.__doc__ or "").strip()
            yield f"`{inside.rstrip('.')}`", f"{about}\n\n{_table(own, inside)}"
            yield from _nested(inner, inside)


def _table(rows: list[Key], inside: str) -> str:
    lines = ["| key | meaning | type | default | a change reruns |", "|---|---|---|---|---|"]
    for key in rows:
        cells = (
            f"`{key.place.removeprefix(inside)}`",
            key.field.description or "",
            type_words(key.field.annotation, key.field.metadata),
            key.default,
            key.reruns,
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("<", "\\<") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The section that a field holds, or the one that it maps names to."""
    kinds: list[Any] = [field.annotation, *getattr(field.annotation, "__args__", ())]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
