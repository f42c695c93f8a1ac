"""The worked examples of docs/adding.md, as they stand there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from voxplain.config import load_config
from voxplain.explainers import EXPLAINERS
from voxplain.explainers.entry import explain
from voxplain.models.base import MODELS
from voxplain.models.build import build_model
from voxplain.segmenters import SEGMENTERS
from voxplain.supervoxels import segment_supervoxels

PAGE = (Path(__file__).resolve().parents[2] / "docs/adding.md").read_text(encoding="utf-8")


def add(folder, monkeypatch, kind: str, package: str):
    """Put an example's file into its package, as the page says, but in a folder of the test's own."""
    code = re.search(rf"<!-- {kind} -->\n```python\n(.*?)```", PAGE, re.DOTALL).group(1)
    path = re.search(rf"Save this as `src/voxplain/([\w/]+)\.py`:\n\n<!-- {kind}", PAGE).group(1)
    name = path.rpartition("/")[2]
    assert path == f"{package.replace('.', '/')}/{name}"
    (folder / f"{name}.py").write_text(code)
    module = importlib.import_module(f"voxplain.{package}")
    monkeypatch.setattr(module, "__path__", [*module.__path__, str(folder)])
    return importlib.import_module(f"voxplain.{package}.{name}")


@pytest.fixture
def registries():
    """Leave the registries, which all tests share, as they were."""
    plugins = (EXPLAINERS, MODELS, SEGMENTERS)
    before = [dict(registry._plugins) for registry in plugins]
    for registry in plugins:
        registry._load()
    yield
    for registry, kept in zip(plugins, before, strict=True):
        for name in ("gradient_energy", "small3d", "frames"):
            registry._plugins.pop(name, None)
        registry._plugins.update(kept)


def test_the_explainer_and_the_network_work_together(tmp_path, monkeypatch, registries):
    add(tmp_path, monkeypatch, "explainer", "explainers")
    add(tmp_path, monkeypatch, "network", "models.networks")
    model = build_model("small3d", None, 3, width=4).eval()
    assert model.spec.concept_layers == ("middle",) and model.head.out_features == 3
    clips = torch.rand(2, 3, 8, 16, 16)
    energy = explain(model, clips, [0, 2], "gradient_energy")
    assert energy.shape == (2, 8, 16, 16) and (energy >= 0).all() and energy.sum() > 0
    inputs = clips.clone().requires_grad_()
    gradient = torch.autograd.grad(model(inputs)[[0, 1], [0, 2]].sum(), inputs)[0]
    torch.testing.assert_close(energy, gradient.square().sum(1))
    torch.testing.assert_close(
        explain(model, clips, [0, 2], "gradient_energy", power=1), gradient.abs().sum(1)
    )
    with pytest.raises(Exception, match="'power' cannot be 0"):
        explain(model, clips, 0, "gradient_energy", power=0)


def test_the_segmenter_is_chosen_by_the_config(tmp_path, monkeypatch, registries):
    add(tmp_path, monkeypatch, "segmenter", "segmenters")
    text = re.search(r"```yaml\n(supervoxels:.*?)```", PAGE, re.DOTALL).group(1)
    network = {"network": "r3d_18", "layers": ["layer3"]}
    chosen = load_config({"models": {"r3d": network}, **yaml.safe_load(text)}).supervoxels.segmentation()
    video = np.zeros((9, 4, 5, 3), np.uint8)
    labels = segment_supervoxels(video, **chosen)
    assert labels.shape == (2, 9, 4, 5) and labels.dtype == np.uint16
    assert labels[:, :, 2, 3].tolist() == [[0, 1, 1, 1, 1, 2, 2, 2, 2], [0, 1, 1, 2, 2, 3, 3, 4, 4]]
    assert (labels == labels[:, :, :1, :1]).all()
    with pytest.raises(Exception, match="'skip' cannot be -1"):
        segment_supervoxels(video, **chosen | {"options": {"skip": -1}})
