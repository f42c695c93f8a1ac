"""What a run is planned from: its config in canonical form, its videos, and the plug-ins that it names."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from pydantic import ValidationError

from .config import Config, Data, Model, digest
from .errors import ConfigError, nearest
from .provenance import PACKAGE
from .sources import library
from .videos.plan import (
    EMBEDDED,
    default_shard_size,
    evaluation_videos,
    plan_videos,
    source_of,
    what_is_known,
)
from .videos.table import safe_name

# Sections with presets, and the library's modules that hold these as ``PRESETS``.
PRESETS = {"supervoxels": "supervoxels", "selective": "motion.selective"}
# Options that all plug-ins of a registry have beside their own.
COMMON = {"models": ("mean", "std", "seed")}


class Plan(NamedTuple):
    """A config in canonical form, the folder that runs on its videos share, and the table of its videos."""

    config: Config
    data: str
    videos: pd.DataFrame


def plan_run(config: Config, results: str = "results", *, names: bool = True) -> Plan:
    """Settle what the names of shared folders and the parameters of stages hang on.

    Parameters
    ----------
    config : Config
    results : str
        Folder of all results.
    names : bool
        Whether to refuse plug-ins, options and videos that are not known, as `check_names` and `video_problems` do.

    Raises
    ------
    ConfigError
        See `voxplain.videos.plan.plan_videos`, or the first of `video_problems`.
    """
    if names:
        check_names(config)
    settled = canonical(config)
    videos = plan_videos(EMBEDDED, **dict(settled.data))
    for problem in video_problems(config, videos) if names else ():
        raise ConfigError(problem)
    size = settled.data.shard_size or default_shard_size(len(videos))
    settled = _changed(settled, data=_changed(settled.data, shard_size=size))
    data = f"{results}/shared/{safe_name(Path(config.data.path or EMBEDDED).stem)}-{digest(settled.data)}"
    if settled.data.path is None:  # how many they are is known before where they are
        videos = plan_videos(f"{data}/{EMBEDDED}", **dict(settled.data))
    return Plan(settled, data, videos)


def canonical(config: Config) -> Config:
    """The one form of all configs that mean the same: plug-ins' defaults filled in, names in order.

    The order of `models` and `explainers` means nothing, and nothing does whether an option that is its default
    is written out, nor whether a whole number is written as ``8`` or ``8.0``. Options of a network whose weights are in a
    file are those that are given alone: the file says the others.
    """
    flow, cavs, supervoxels, selective = config.flow, config.cavs, config.supervoxels, config.selective
    models = {
        name: _changed(model, options=_network_options(model))
        for name, model in sorted(config.models.items())
    }
    explainers = {}
    for name, explainer in sorted(config.explainers.items()):
        method = explainer.method or name
        options = with_defaults("explainers", method, explainer.options)
        explainers[name] = _changed(explainer, method=method, options=options)
    return _changed(
        config,
        data=_canonical_data(config.data),
        concepts=_changed(config.concepts, given=dict(sorted(config.concepts.given.items()))),
        models=models,
        explainers=explainers,
        flow=_changed(flow, options=with_defaults("flows", flow.method, flow.options)),
        cavs=_changed(cavs, options=with_defaults("classifiers", cavs.classifier, cavs.options)),
        supervoxels=_changed(
            supervoxels,
            options=_unlike_preset(PRESETS["supervoxels"], supervoxels.preset, supervoxels.options),
            method_options=_segmenter_options(supervoxels.method, supervoxels.method_options),
        ),
        selective=_changed(
            selective,
            options=_unlike_preset(PRESETS["selective"], selective.preset, selective.options),
        ),
    )


def _network_options(model: Model) -> dict[str, Any]:
    filled = with_defaults("models", model.network, model.options)
    if model.weights is None or not Path(model.weights).is_file():
        return filled
    return {key: value for key, value in filled.items() if key in model.options}


def _canonical_data(data: Data) -> Data:
    path, adapter = source_of(data.path, data.adapter)
    options = with_defaults("datasets", adapter, data.options)
    if "seed" in options and "seed" not in data.options:
        options["seed"] = data.seed
    return _changed(data, path=path, adapter=adapter, options=options)


def check_names(config: Config) -> None:
    """Refuse plug-ins that are not registered, and options that they do not have, before anything is made.

    ``module:function`` passes, whose options its code alone knows.

    Raises
    ------
    ConfigError
        One is unknown.
    """
    sources = library(PACKAGE)
    named = named_plugins(config)
    named["flows"] = [*named["flows"], *config.flow.compare]
    for registry, names in named.items():
        known = sources.plugins(sources.registries()[registry])
        for name in names:
            if ":" not in name and name not in known:
                raise ConfigError(
                    f"Of {registry}, {name!r} is not known{nearest(name, known)} Known: {', '.join(sorted(known))}."
                )
    for place, registry, name, options in _given_options(config):
        plugin = sources.plugins(sources.registries()[registry]).get(name)
        if plugin is not None:
            _check_keys(f"{place}: {name!r}", options, (*plugin.options, *COMMON.get(registry, ())))
    for place, module in PRESETS.items():
        section = getattr(config, place)
        if section.options:  # as rarely; the module is slow to load
            own = importlib.import_module(f".{module}", __package__).PRESETS[section.preset]
            known = [field.name for field in fields(own)]
            _check_keys(f"{place}.options: {section.preset!r}", section.options, known)
            try:
                replace(own, **section.options)
            except ValidationError as error:
                first = error.errors()[0]
                raise ConfigError(
                    f"{place}.options.{first['loc'][0]} cannot be {first['input']!r}: {first['msg']}."
                ) from None


def video_problems(config: Config, videos: pd.DataFrame) -> Iterator[str]:
    """What is wrong with the videos that a config names, given the planned table of all."""
    every = videos["video"].tolist()
    explained = evaluation_videos(videos, config.relevance.videos_per_class)["video"].tolist()
    for key, named, known, what in (
        (
            "figures.videos",
            config.figures.videos,
            explained,
            "test video that is explained (relevance.videos_per_class)",
        ),
        ("checks.followed", config.checks.followed, every, "video"),
    ):
        for name in named or []:
            if name not in known:
                yield f"{key}: {name!r} is no {what}{nearest(name, known) or '.'}"


def _check_keys(what: str, options: Iterable[str], known: Sequence[str]) -> None:
    for key in options:
        if key not in known:
            raise ConfigError(
                f"{what} has no option {key!r}{nearest(key, known)} Known options: {', '.join(known) or 'none'}."
            )


def _given_options(config: Config) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Options that a config gives to plug-ins: where, of which registry, to which of it, and what."""
    for name, model in config.models.items():
        yield f"models.{name}.options", "models", model.network, model.options
    for name, explainer in config.explainers.items():
        yield f"explainers.{name}.options", "explainers", explainer.method or name, explainer.options
    yield "flow.options", "flows", config.flow.method, config.flow.options
    yield "cavs.options", "classifiers", config.cavs.classifier, config.cavs.options
    supervoxels = config.supervoxels
    yield "supervoxels.method_options", "segmenters", supervoxels.method, supervoxels.method_options


def with_defaults(registry: str, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a plug-in with its defaults, in order of their names.

    Options that are None, and are so by default, are left out: what fills them in may hang on the run.

    Parameters
    ----------
    registry : str
        The registry's name in small letters, such as ``explainers``.
    name : str
        A plug-in's. Of one that is not registered, nothing is filled in.
    options : mapping
        Those that are given.
    """
    sources = library(PACKAGE)
    known = sources.plugins(sources.registries()[registry])
    defaults = known[name].defaults if name in known else {}
    filled = {**defaults, **options}
    for key, default in defaults.items():
        if isinstance(default, (int, float)) and isinstance(filled[key], str):
            filled[key] = _number(filled[key])
        elif default is None and filled[key] is None:
            del filled[key]
    return _plain(filled)


def named_plugins(config: Config, model: str | None = None) -> dict[str, list[str]]:
    """Plug-ins that a config names, by registry; of networks only that of `model`, where it is given."""
    models = config.models.values() if model is None else [config.models[model]]
    return {
        "datasets": [source_of(config.data.path, config.data.adapter)[1]],
        "models": sorted({given.network for given in models}),
        "explainers": sorted({given.method or name for name, given in config.explainers.items()}),
        "flows": [config.flow.method],
        "segmenters": _segmenters(config),
        "classifiers": [config.cavs.classifier],
    }


def _unlike_preset(module: str, preset: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options that change something of a preset, which ``PRESETS`` of the library's module holds."""
    if not options:  # as mostly; the module is slow to load
        return {}
    own = importlib.import_module(f".{module}", __package__).PRESETS.get(preset)
    return _plain({key: value for key, value in options.items() if getattr(own, key, object) != value})


def _segmenter_options(method: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a segmenter with its defaults; SLIC's, and the numbers of segments, are keys one level higher."""
    if method == "slic":
        return dict(options)
    filled = with_defaults("segmenters", method, options)
    return {key: value for key, value in filled.items() if key != "n_segments" or key in options}


def _segmenters(config: Config) -> list[str]:
    """The segmenter of the supervoxels, and those that explainers choose for themselves."""
    chosen = {explainer.options.get("segmenter") for explainer in config.explainers.values()}
    return sorted({config.supervoxels.method, "slic", *chosen} - {None})


def what_is_there(config: Config, videos: pd.DataFrame | None) -> dict[str, bool]:
    """What a run has of what final tables need, as `voxplain.tables.choose_tables` takes it.

    Parameters
    ----------
    config : Config
    videos : DataFrame, optional
        The planned table. Without it, all is taken to be known of them.
    """
    embedded, relevance = config.data.path is None, config.relevance
    networks = set(config.concepts.models or config.models) & set(relevance.models or config.models)
    known, common = {"known": True, "flow_known": True}, bool(networks)
    if videos is not None:
        known = what_is_known(videos, embedded=embedded)
        edited = evaluation_videos(videos, config.editing.videos_per_class)["video"]
        common &= bool(edited.isin(evaluation_videos(videos, relevance.videos_per_class)["video"]).any())
    two_actors = embedded and config.data.options.get("variant") == "two_actors"
    return known | {
        "common": common,
        "shared": two_actors and relevance.compare_with is not None,
        "precision": config.device.precision != "float32",
        "given": bool(config.concepts.given),
    }


def _changed(section: Any, **changes: Any) -> Any:
    return section.model_copy(update=changes)


def _number(text: str) -> float | str:
    """A number that YAML takes for text, such as ``1e-9``."""
    try:
        return float(text)
    except ValueError:
        return text


def _plain(value: Any) -> Any:
    """A value as JSON has it, keys in order, whole numbers as integers."""
    match value:
        case Mapping():
            return {str(key): _plain(value[key]) for key in sorted(value, key=str)}
        case list() | tuple():
            return [_plain(item) for item in value]
        case float() if value.is_integer():
            return int(value)
    return value
