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
from .listing import type_words

# The first rules that a change of a key reruns; what uses their results follows. A key that is not
# here has its section's entry. A test changes each key and compares with what the workflow reruns.
RERUNS = {
    "run": "distinct_supervoxels, train_model, tabulate_set_aside, tabulate_flow_error: "
    "the run's own folder is made under the new name",
    "parts": "what makes a part that was not there before",
    "data": "make_embedded_videos, or list_videos for videos of your own",
    "data.path": "list_videos",
    "clips": "cache_clips",
    "seeds": "train_model, for new seeds",
    "models": "train_model, of this network",
    "models.NAME.head": "extract_features, of this network",
    "models.NAME.head_views": "extract_features, of this network",
    "models.NAME.layers": "extract_activations, of this network",
    "supervoxels": "segment_supervoxels",
    "supervoxels.preset": "distinct_supervoxels",
    "supervoxels.options": "distinct_supervoxels",
    "activations": "extract_activations",
    "concepts": "cluster_concepts, try_variants",
    "concepts.max_supervoxels": "draw_random_sets, cluster_concepts",
    "concepts.models": "tabulate_concept_scores, tabulate_editing, tabulate_concept_gaps, animate_concepts, "
    "tabulate_presets, tabulate_stability, tabulate_concept_ground_truth, tabulate_faithfulness, "
    "tabulate_concept_ablation, tabulate_concept_ablation_agreement, tabulate_concept_motion, tabulate_concept_over_time",
    "concepts.videos_per_class": "segment_supervoxels",
    "cavs": "draw_random_sets",
    "cavs.set_size": "draw_random_sets, try_variants",
    "cavs.classifier": "train_cavs, train_random_cavs",
    "cavs.options": "train_cavs, train_random_cavs",
    "scores.random_concepts": "draw_random_sets",
    "scores.rank_by": "score_concepts, vary_choices",
    "scores.test": "score_concepts",
    "scores.alpha": "tabulate_concept_scores",
    "editing": "edit_concepts",
    "editing.videos_per_class": "segment_supervoxels",
    "explainers": "explain_clips, time_explanations, randomize_network, perturb_supervoxels",
    "selective": "select_relevance, sweep_motion, time_explanations",
    "selective.sigma": "select_relevance, plot_motion_sweep, select_variants",
    "selective.sweep": "sweep_motion, animate_relevance",
    "flow": "estimate_flow, tabulate_flow_error",
    "flow.method": "estimate_flow",
    "flow.camera": "estimate_flow",
    "flow.compare": "tabulate_flow_error",
    "flow.moving.unit": "measure_motion, sweep_motion, select_variants, measure_concept_motion",
    "flow.moving.threshold": "measure_motion, plot_motion_sweep, select_variants, measure_concept_motion",
    "flow.moving.sweep": "sweep_motion",
    "relevance.models": "tabulate_motion_precision, tabulate_baseline_agreement, tabulate_selectivity, "
    "tabulate_selected_share, tabulate_explanation_overhead, tabulate_motion_sweep, "
    "tabulate_ground_truth_precision, tabulate_presets, tabulate_concept_motion, animate_relevance",
    "relevance.videos_per_class": "estimate_flow, explain_clips, time_explanations, tabulate_flow_error",
    "relevance.target": "explain_clips",
    "relevance.relevant": "measure_motion, sweep_motion, select_variants",
    "relevance.empty": "tabulate_motion_precision",
    "relevance.batch": "explain_clips, randomize_network",
    "relevance.precision": "explain_clips",
    "relevance.compare_with": "tabulate_selected_share",
    "relevance.timing": "time_explanations",
    "validity.checks": "nothing but the checks that are new",
    "validity.variants": "try_variants, select_variants",
    "validity.videos_per_class": "try_variants, randomize_network",
    "validity.edited_per_class": "try_variants",
    "validity.random_sets": "try_variants, randomize_network",
    "validity.members": "randomize_network",
    "validity.levels": "randomize_network",
    "validity.draws": "randomize_network",
    "validity.explainers": "randomize_network",
    "validity.maps_per_class": "randomize_network",
    "validity.limit": "tabulate_randomization",
    "validity.clusters": "vary_choices",
    "validity.repeats": "vary_choices",
    "faithfulness": "perturb_supervoxels",
    "faithfulness.videos_per_class": "perturb_supervoxels, ablate_concepts",
    "faithfulness.fills": "perturb_supervoxels, ablate_concepts",
    "faithfulness.subsets": "ablate_concepts",
    "faithfulness.followed": "follow_concepts",
    "faithfulness.followed_classes": "follow_concepts",
    "faithfulness.window_step": "follow_concepts",
    "device": "nothing",
    "accept_versions": "nothing; it keeps a change of these versions from doing so",
    "temporary": "nothing",
    "figures": "plot_concepts",
    "figures.examples": "plot_concepts, animate_concepts",
    "figures.relevance": "plot_relevance, animate_relevance",
    "figures.animated": "plot_relevance",
    "figures.videos": "plot_relevance, animate_relevance",
}

INTRODUCTION = """\
# The config

Generated by `python -m voxplain config` from `src/voxplain/config.py`; edit that, not this.

A config file says what is computed; how it is run (cores, memory, cluster) is up to Snakemake's command
line and `workflow/profiles/`. Give it with `snakemake --cores all --configfile FILE`, and change single keys
with `--config KEY=VALUE`. Without a file, `config/config.yaml` is taken. Before any work,
`python -m voxplain check FILE` finds what would fail later.

Unknown keys are errors, and what is left out has its default. Options of a plug-in (a network, a data set
adapter, a concept classifier, an explainer, a flow estimator) stand under `options` beside its name:
`python -m voxplain list models`, `list datasets`, `list classifiers`, `list explainers` and `list flows` show
them. Only what a config means counts for what is run again: not the order of keys, not `8.0` for `8`, and not whether
a default is written out. The last column names the first rules that a change runs again; everything that uses their results
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
        while place not in RERUNS:
            place, _, last = place.rpartition(".")
            if not last:
                raise KeyError(
                    f"Say in RERUNS of voxplain.cli.config_docs what a change of {self.place} reruns."
                )
        return RERUNS[place]


def main(arguments: argparse.Namespace) -> int:
    root = Path(arguments.directory)
    for name, text in {
        "config/README.md": readme(),
        "workflow/schemas/config.schema.json": json_schema(),
    }.items():
        with atomic_path(root / name) as path:
            path.write_text(text, encoding="utf-8")
        print(f"wrote {root / name}")
    return 0


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
