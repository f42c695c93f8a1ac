"""Weights of networks: saved and read as safetensors, or had from their publishers."""

from __future__ import annotations

import argparse
import collections
import hashlib
import io
import json
import os
import re
import shlex
import urllib.error
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pydantic
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import nn

from ..artifacts import atomic_path, check_place
from ..errors import ConfigError

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

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
    sha256: str | None = None


def cache_folder() -> Path:
    """Folder for downloaded weights, which need not be there: ``$VOXPLAIN_CACHE``, or ``~/.cache/voxplain``."""
    try:
        return Path(os.environ.get("VOXPLAIN_CACHE") or Path.home() / ".cache" / "voxplain")
    except RuntimeError:  # as of a user without a name in a container
        raise ConfigError(
            "Your home folder is not known: set HOME, or VOXPLAIN_CACHE to a folder for downloaded weights."
        ) from None


def write_safetensors(state: State, path: str | Path, metadata: dict[str, str] | None = None) -> None:
    """Write tensors to a file that is whole or absent; without other metadata, with their checksum."""
    # Copies, because the format refuses tensors that share memory.
    plain = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in state.items()
    }
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(plain, _described(plain) if metadata is None else metadata))


def _described(state: State, **more: Any) -> dict[str, str]:
    about = json.loads(json.dumps({"kind": KIND, "version": VERSION, **more}))
    about["sha256"] = _checksum(state, about)
    # One key: safetensors writes several in any order, and equal networks should make equal files.
    return {"voxplain": json.dumps(about, sort_keys=True)}


def _checksum(state: State, about: dict[str, Any]) -> str:
    """SHA-256 of what stands beside the tensors, and of them with names, types and shapes, in the order of the names."""
    rest = {key: value for key, value in about.items() if key != "sha256"}
    found = hashlib.sha256(json.dumps(rest, sort_keys=True).encode())
    for name, tensor in sorted(state.items()):
        found.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return found.hexdigest()


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
    state = model.state_dict()
    write_safetensors(state, path, _described(state, spec=spec, metadata=metadata or {}))


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
            with torch.serialization.safe_globals(_PLAIN):
                about, state = "{}", _state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except MemoryError:
        raise
    except Exception as error:  # unpicklers raise nearly anything on a damaged file
        raise ConfigError(f"{path} cannot be read as weights: {_reason(path, error)}") from None
    found = _about(path, about)
    if found.sha256 is not None and found.sha256 != _checksum(state, json.loads(about)):
        raise ConfigError(f"{path} is damaged: its weights are not those that were written. {_again(path)}")
    spec = found.spec.model_dump() if found.spec else {}
    if spec and not any(tensor.dim() and len(tensor) == spec["num_classes"] for tensor in state.values()):
        raise ConfigError(
            f"{path} says that its network tells {spec['num_classes']} classes, and holds no weights of so many: "
            "copy the file again."
        )
    return state, spec, found.metadata


def check_weights_place(path: str | Path) -> None:
    """See that a run's file of weights is of the network and seed that its path names.

    Raises
    ------
    ArtifactError
        As `voxplain.artifacts.check_place`. Files that cannot be read, or say nothing of it, pass.
    """
    try:
        with safe_open(path, framework="pt") as file:
            made_by = json.loads((file.metadata() or {})["voxplain"])["metadata"]["made_by"]
        wildcards = [(str(name), str(value)) for name, value in made_by["wildcards"]]
    except Exception:  # whoever loads it says what is wrong
        return
    check_place(path, {"wildcards": wildcards, "rule": made_by.get("rule", path)})


def _again(path: Path) -> str:
    return f"Copy the file again, or where a run made it: snakemake --cores all --forcerun {shlex.quote(str(path))}."


def _reason(path: Path, error: Exception) -> str:
    """Say what a file that is no weights is instead, and what to do."""
    with open(path, "rb") as file:
        raw = file.read(200)
    start = raw.lstrip().lower()
    if not start:
        return f"it is empty. {_again(path)}"
    if start.startswith(b"version https://git-lfs"):
        return "it is a git-lfs pointer, not the file itself. Fetch it: git lfs pull."
    if start.startswith((b"<!doctype", b"<html", b"<?xml")) or b"<html" in start:
        return "it is a web page. Download the file itself (on GitHub: the button Download raw file)."
    if path.suffix == ".safetensors" and start[:2] in (b"pk", b"\x80\x02", b"\x80\x04"):
        return "it is a file of torch.save under another ending. Rename it to .pt."
    if path.suffix != ".safetensors" and re.match(rb".{8}\{\s*\"", raw, re.DOTALL):
        return "it is a file of safetensors under another ending. Rename it to .safetensors."
    words = str(error).lower()
    if any(told in words for told in ("unsupported global", "unsupported class", "unsupported operand")):
        held = re.search(r"GLOBAL ([\w.]+)", str(error))
        return (
            f"it holds more than tensors{f' ({held.group(1)})' if held else ''}, as pickles of whole networks and "
            "checkpoints of some trainers do, and reading such a file runs what it says. If you trust it, save its "
            "tensors alone once, where the code that made it is at hand: import torch; found = torch.load(FILE, "
            "weights_only=False); state = found if isinstance(found, dict) else found.state_dict(); torch.save("
            'state.get("state_dict", state), "weights.pt").'
        )
    if isinstance(error, _NoState):
        return f"{error}. Save the network's state_dict with torch.save, or as safetensors."
    reason = str(error).partition("\n")[0][:200]
    if "weights only load failed" in words or "weights_only" in words:  # whose advice would run the file
        reason = "it is no file of torch.save"
    return f"{reason}. {_again(path)} Weights are a network's state_dict, tensors only, as safetensors or of torch.save."


def _about(path: Path, text: str) -> _About:
    """Read a file's metadata, written by `save_weights`; other files have none."""
    again = f"snakemake --cores all --forcerun {shlex.quote(str(path))}"
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


# What common training scripts save beside tensors: plain data, that runs nothing when it is read.
_PLAIN = [
    argparse.Namespace,
    collections.Counter,
    np.dtype,
    np.ndarray,
    np._core.multiarray._reconstruct,
    np._core.multiarray.scalar,
    *(type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "u1", "?")),
]
_STATES = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "network",
    "net",
    "weights",
    "ema",
    "module",
)
# What DataParallel, Lightning and torch.compile put before the names of a network's tensors.
_PREFIXES = ("module.", "model.", "network.", "net.", "_orig_mod.", "_forward_module.", "ema_model.")


class _NoState(ValueError):
    """There are no weights in what was read."""


def _state_dict(saved: Any) -> State:
    """Find the tensors in what common training scripts save."""
    while isinstance(saved, dict) and (inner := [key for key in _STATES if isinstance(saved.get(key), dict)]):
        saved = saved[inner[0]]
    if isinstance(saved, dict) and saved and all(isinstance(value, torch.Tensor) for value in saved.values()):
        return {str(name): tensor for name, tensor in saved.items()}
    held = (
        f"{', '.join(map(str, list(saved)[:8]))}" if isinstance(saved, dict) else f"a {type(saved).__name__}"
    )
    raise _NoState(
        f"it holds no dict of tensors under {', '.join(_STATES[:4])} or at its top, but {held or 'nothing'}"
    )


def with_own_names(model: nn.Module, state: State) -> State:
    """The state with its tensors named as in `model`: without what wrappers put before or into names.

    Names are changed only where that makes more of them the network's own.
    """
    own = set(model.state_dict())

    def known(found: State) -> int:
        return len(own & set(found))

    best = state
    inner = {name.replace("_orig_mod.", ""): tensor for name, tensor in state.items()}
    for found in (state, inner):
        for _ in range(3):  # wrappers of wrappers
            if known(found) > known(best):
                best = found
            prefix = next(
                (prefix for prefix in _PREFIXES if any(name.startswith(prefix) for name in found)), None
            )
            if prefix is None:
                break
            found = {name.removeprefix(prefix): tensor for name, tensor in found.items()}
        if known(found) > known(best):
            best = found
    return best if len(best) == len(state) else state


def write_training(state: dict[str, Any], path: str | Path) -> None:
    """Keep the state of a training for `read_training`."""
    content = io.BytesIO()  # so that Python writes it, and says what goes wrong
    torch.save(state, content)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def read_training(path: str | Path) -> dict[str, Any] | None:
    """Read the state that a training which was cut short left, or None where there is none.

    Nothing in it is run. One that is damaged is removed, with a sentence, so that the training begins anew.
    """
    path = Path(path)
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:  # torch itself looks at no checksum
            if archive.testzip() is not None:
                raise ValueError("wrong checksum")
        with torch.serialization.safe_globals(_PLAIN):
            state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or not {"model", "optimizer", "schedule", "history", "best"} <= set(
            state
        ):
            raise ValueError("it is no state of a training")
        return state
    except MemoryError:
        raise
    except Exception as error:  # unpicklers raise nearly anything
        reason = str(error).partition("\n")[0][:200]
        print(
            f"{path}, left by a training that was cut short, is damaged ({reason}): the training begins anew."
        )
        path.unlink(missing_ok=True)
        return None


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
    except urllib.error.URLError as error:
        raise cannot_download(weights.url, error) from None
    except OSError as error:
        raise ConfigError(
            f"The weights {weights.url} cannot be kept ({error}): set TORCH_HOME to a folder where you may write."
        ) from None
    except RuntimeError as error:  # a wrong hash
        raise cannot_download(weights.url, error) from None


def cannot_download(address: str, error: Exception | str) -> ConfigError:
    """Say how to get weights onto a machine that cannot download them."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return ConfigError(
        f"The weights {address} cannot be downloaded ({reason}). Run once where there is a network and copy "
        f"the cache folder ({torch.hub.get_dir()}, {cache_folder()}), or give the path of a weights file."
    )
