"""What made an artifact: its code, parameters, seeds, packages and device.

Snakemake sees edits to a stage's script but not to the modules that it imports. A rule therefore gives
`code_hash` of its script as a parameter: editing what computes for the stage in the library reruns it, and so does
another version of a library that decides its numbers. See `voxplain.sources` for what is followed.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.machinery
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .sources import library

PACKAGE = Path(__file__).resolve().parent
# The distributions whose versions can change a result.
PACKAGES = (
    "av", "h5py", "jinja2", "matplotlib", "numpy", "opencv-python-headless", "pandas", "pyarrow", "pydantic",
    "pillow", "pytorchvideo", "pyyaml", "safetensors", "scikit-image", "scikit-learn", "scipy", "snakemake",
    "threadpoolctl", "torch", "torchvision", "tqdm", "zennit",
)  # fmt: skip
# Those whose major and minor version reruns the stages that use them: what the packages that they hold are called.
LIBRARIES = {
    "torch": "torch",
    "scikit-image": "skimage",
    "av": "av",
    "zennit": "zennit",
    "scikit-learn": "sklearn",
    "opencv-python-headless": "cv2",
}


def code_hash(
    script: str | os.PathLike,
    *also: str,
    plugins: Mapping[str, Iterable[str]] | None = None,
    accepted: Mapping[str, str] | None = None,
    package: Path = PACKAGE,
) -> str:
    """Hash what computes for a script: itself, what it reaches of the library, and versions of other libraries.

    Parameters
    ----------
    script : path
    *also : str
        More that it calls, unseen in its code: ``package.module:name``, or ``package.module`` for all of it.
    plugins : mapping of str to names
        The plug-ins that count, by their registry's name in small letters: ``explainers``, ``models`` and so on.
        Of a registry that is not here, all count. Networks may also be ``package.module:function``.
    accepted : mapping of str to str
        Versions (major and minor) of `LIBRARIES` to name in place of those that are installed.
    package : Path
        Folder of the library.

    Returns
    -------
    str
        16 hexadecimal digits, and the versions of those of `LIBRARIES` that are used: ``"0f..9a torch-2.4"``.

    Raises
    ------
    VoxplainError
        See `voxplain.sources.Library.reach`.
    """
    names = {name for some in (plugins or {}).values() for name in some if ":" in name}
    found = library(package, *_own_packages(names)).reach(Path(script), also, plugins)
    versions = library_versions() | dict(accepted or {})
    used = [f"{name}-{versions[name]}" for name, holds in LIBRARIES.items() if holds in found.outside]
    return " ".join([hashlib.sha256("\n".join(found.lines).encode()).hexdigest()[:16], *used])


@functools.cache
def library_versions() -> dict[str, str]:
    """Major and minor versions of `LIBRARIES`, such as ``"2.4"``; ``"none"`` where one is not installed."""
    found = versions()
    return {name: ".".join(found.get(name, "none").split(".")[:2]) for name in LIBRARIES}


def check_source(network: str) -> None:
    """Look for ``package.module:function`` in the package's files, of which nothing is run.

    Raises
    ------
    VoxplainError
        There is no such function, or something that it uses is not there; of packages that are installed nothing is read.
    """
    packages = _own_packages([network])
    if packages and packages[0].suffix in ("", ".py"):  # no extension in C
        library(PACKAGE, *packages).reach(None, [network])


def _own_packages(networks: Iterable[str]) -> list[Path]:
    """Folders and files of the packages of ``package.module:function`` that are no installed ones."""
    names = {name.partition(":")[0].partition(".")[0] for name in networks}
    return sorted(filter(None, map(_own_package, names)))


def _own_package(name: str) -> Path | None:
    """Folder or file of a package that is no installed one."""
    spec = importlib.machinery.PathFinder.find_spec(name)
    places = [*(spec.submodule_search_locations or []), spec.origin] if spec else []
    place = Path(next(filter(None, places), "site-packages"))
    return None if "site-packages" in place.parts else place


def record(
    *,
    rule: str,
    params: Mapping[str, Any],
    code: str,
    device: str = "cpu",
    wildcards: Mapping[str, Any] | None = None,
    inputs: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Describe what makes an artifact, as its ``made_by`` attributes.

    There is no time, host or revision in it: the same work gives the same bytes. Of the `wildcards` (network, seed,
    layer, class, shard) readers see that they are those of the file's path: `voxplain.artifacts.check_place`, and of the `inputs` that these
    are those that it was made from: `voxplain.artifacts.input_identities`.
    """
    return {
        "rule": rule,
        "params": dict(params),
        "seeds": dict(_seeds(params)),
        "code": code,
        "versions": versions(),
        "device": device,
        # In their order, which JSON's sorted mappings lose.
        "wildcards": [[name, str(value)] for name, value in (wildcards or {}).items()],
        "inputs": dict(inputs or {}),
    }


@functools.cache
def versions() -> dict[str, str]:
    """Versions of Python and of the installed `PACKAGES`."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def git_revision(folder: str | os.PathLike = PACKAGE) -> str | None:
    """Commit that `folder` is at, with ``-dirty`` after it if files differ; None outside git."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _seeds(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in params.items():
        if isinstance(value, Mapping):
            yield from _seeds(value, f"{prefix}{key}.")
        elif "seed" in str(key).lower():
            yield f"{prefix}{key}", value
