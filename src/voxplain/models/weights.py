"""Weights of networks: saved and read as safetensors, or had from their publishers."""

from __future__ import annotations

import json
import os
import urllib.error
from pathlib import Path
from typing import Annotated, Any

import pydantic
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import nn
from torchvision.models import WeightsEnum

from ..artifacts import atomic_path
from ..errors import ConfigError

State = dict[str, torch.Tensor]
# Kind and layout of what `save_weights` writes: raised when a reader of the old one would misread the new one.
KIND, VERSION = "weights", 1


class _Spec(pydantic.BaseModel, strict=True):
    """What a file says of its network; JSON, so that anything may stand there."""

    name: str
    num_classes: pydantic.PositiveInt
    options: dict[str, Any]
    mean: Annotated[list[pydantic.FiniteFloat], pydantic.Field(min_length=3, max_length=3)]
    std: Annotated[list[pydantic.FiniteFloat], pydantic.Field(min_length=3, max_length=3)]


class _About(pydantic.BaseModel, strict=True):
    """Metadata of a file of weights."""

    kind: str = KIND
    version: int = VERSION
    spec: _Spec | None = None
    metadata: dict[str, Any] = {}


def cache_folder() -> Path:
    """Folder for downloaded weights: ``$VOXPLAIN_CACHE``, or ``~/.cache/voxplain``."""
    folder = Path(os.environ.get("VOXPLAIN_CACHE") or Path.home() / ".cache" / "voxplain")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_safetensors(state: State, path: str | Path, metadata: dict[str, str] | None = None) -> None:
    """Write tensors to a file that is whole or absent."""
    # Copies, because the format refuses tensors that share memory.
    plain = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in state.items()
    }
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(plain, metadata))


def save_weights(model: nn.Module, path: str | Path, metadata: dict[str, Any] | None = None) -> None:
    """Save a network so that `voxplain.models.load_model` can rebuild it from the file alone.

    Parameters
    ----------
    model : Module
        As built by `voxplain.build_model`.
    path : path
        A safetensors file.
    metadata : dict, optional
        More to keep that JSON can hold, such as the classes' names.
    """
    spec = {key: getattr(model.spec, key) for key in ("name", "num_classes", "options", "mean", "std")}
    # One key: safetensors writes several in any order, and equal networks should make equal files.
    about = {"kind": KIND, "version": VERSION, "spec": spec, "metadata": metadata or {}}
    text = json.dumps(about, sort_keys=True)
    write_safetensors(model.state_dict(), path, {"voxplain": text})


def load_weights(path: str | Path) -> tuple[State, dict[str, Any], dict[str, Any]]:
    """Read a file of weights: safetensors, or a state dict of tensors saved by torch.

    Returns
    -------
    state : dict of tensors
    spec : dict
        Name, num_classes, options, mean and std of the network, where `save_weights` wrote the file.
    metadata : dict
        What `save_weights` was given.

    Raises
    ------
    ConfigError
        There is no such file, it holds no weights, or says of its network what cannot be.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(
            f"There is no weights file {path}: correct the path, or use a name that the network knows."
        )
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                about = (file.metadata() or {}).get("voxplain", "{}")
                state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        else:
            about, state = "{}", _state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # unpicklers raise nearly anything on a damaged file
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"{path} cannot be read as weights ({reason}). Save the network's state_dict, tensors only, as "
            f"safetensors or with torch.save, or copy the file again."
        ) from None
    found = _about(path, about)
    spec = found.spec.model_dump() if found.spec else {}
    if spec and not any(tensor.dim() and len(tensor) == spec["num_classes"] for tensor in state.values()):
        raise ConfigError(
            f"{path} says that its network tells {spec['num_classes']} classes, and holds no weights of so many: "
            "copy the file again."
        )
    return state, spec, found.metadata


def _about(path: Path, text: str) -> _About:
    """Read a file's metadata, written by `save_weights`; other files have none."""
    again = "snakemake --cores all --forcerun train_model"
    try:
        found = json.loads(text)
        if isinstance(found, dict) and found.get("spec") == {}:
            del found["spec"]
        kind, version = (found.get(key, own) for key, own in (("kind", KIND), ("version", VERSION)))
        if (kind, version) != (KIND, VERSION):
            raise ConfigError(
                f"{path} is version {version} of {kind!r}; this voxplain reads version {VERSION} of {KIND!r}. Train "
                f"or fit the network again with this version: {again}."
            )
        return _About.model_validate(found)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    except (ValueError, AttributeError, RecursionError):
        reason = "no mapping in JSON"
    raise ConfigError(
        f"{path} does not say rightly which network its weights are of ({reason}). Copy the file again, or train or "
        f"fit the network again: {again}."
    )


def _state_dict(saved: Any) -> State:
    """Find the tensors in what common training scripts save."""
    for key in ("state_dict", "model_state", "model"):
        if isinstance(saved, dict) and isinstance(saved.get(key), dict):
            saved = saved[key]
    if not isinstance(saved, dict) or not all(isinstance(value, torch.Tensor) for value in saved.values()):
        raise ValueError("no dict of tensors")
    # DataParallel puts "module." before every name.
    return {name.removeprefix("module."): tensor for name, tensor in saved.items()}


def check_state(model: nn.Module, state: State, source: str) -> None:
    """See that all of `state` fits all of `model`, which need not have values.

    Raises
    ------
    ConfigError
        Names or shapes differ; the text shows some.
    """
    own = model.state_dict()
    # A counter that plays no part in what the network computes; converted weights lack it.
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    unknown = [name for name in state if name not in own]
    differing = [
        f"{name} is {tuple(state[name].shape)}, not {tuple(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    problems = [
        f"{len(found)} {what} ({'; '.join(found[:3])}{'; ...' if len(found) > 3 else ''})"
        for found, what in ((missing, "missing"), (unknown, "unknown"), (differing, "of another shape"))
        if found
    ]
    if problems:
        raise ConfigError(
            f"The weights {source} do not fit the network: of its tensors {', '.join(problems)}. "
            f"Build the network with the options that the weights were trained with."
        )


def load_state(model: nn.Module, state: State, source: str) -> None:
    """Load all of `state` into all of `model`, or raise as `check_state` does."""
    check_state(model, state, source)
    model.load_state_dict(state, strict=False)


def torchvision_weights(weights: WeightsEnum) -> State:
    """Get torchvision's own weights, from its cache or the web.

    Raises
    ------
    ConfigError
        They cannot be had, as without a network.
    """
    try:
        return weights.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:  # URLError is an OSError; a wrong hash is a RuntimeError
        raise cannot_download(weights.url, error) from None


def cannot_download(address: str, error: Exception | str) -> ConfigError:
    """Say how to get weights onto a machine that cannot download them."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return ConfigError(
        f"The weights {address} cannot be downloaded ({reason}). Run once where there is a network and copy "
        f"the cache folder ({torch.hub.get_dir()}, {cache_folder()}), or give the path of a weights file."
    )
