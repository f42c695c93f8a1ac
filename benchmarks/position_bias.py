"""Position bias: ``python -m benchmarks.position_bias FOLDER [CLIPS]``, on real clips and their mirror images.

Prints the rows, writes them to docs/position_bias.csv, and prints the table of docs/method.md.

Left and right change places in these; top and bottom do not, so that what the clips show counts there too (columns
``height_…``). Column ``turned_halves`` has the upper half over the lower one over clips and the same upside down, which
networks that know upright people have never seen; of random weights, which know nothing, it is left out.

FOLDER holds a videos.csv, or a folder of videos per class. I3D has its Kinetics-400 weights; of the other
networks none can be had, and theirs are random. Mirrored images are then shown to the mirrored network
(column `twin`), so that what random filters happen to prefer balances out and what is left is where the windows lie.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from voxplain import build_model, explain
from voxplain.models.build import build_shapes
from voxplain.models.inputs import normalize
from voxplain.models.padding import grid_offset
from voxplain.position import mirrored_network, position_bias
from voxplain.videos.clips import read_clips
from voxplain.videos.plan import plan_videos

WRITTEN = Path(__file__).resolve().parents[1] / "docs/position_bias.csv"
FRAMES, STEP, BATCH = 16, 4, 4
EXPLAINERS = ("dtd", "gradcam", "guided_backprop", "guided_gradcam")  # the second paper's
CASES = [
    ("i3d", 145, {"weights": "kinetics400", "padding": "zeros"}),
    ("i3d", 113, {"weights": "kinetics400"}),
    ("i3d", 145, {"weights": "kinetics400"}),
    ("i3d", 209, {"weights": "kinetics400"}),
    ("r3d_18", 112, {}),
    ("r3d_18", 113, {}),
    ("c3d", 112, {}),
    ("c3d", 96, {"size": 96}),
]


def measure(folder: str, count: int, cases: list = CASES) -> pd.DataFrame:
    """A row per network, size and explainer, over `count` videos, as many of each class as of the others."""
    videos = plan_videos("", path=folder)
    videos = videos[videos["split"] == "test"]
    videos = videos.groupby("class").head(-(-count // videos["class"].nunique())).head(count)
    rows = []
    for name, size, options in cases:
        model = build_model(name, **options)
        clips = np.stack(
            [read_clips(path, frames=FRAMES, step=STEP, size=size)[0][0] for path in videos["path"]]
        )
        targets = _batched(lambda some: model(normalize(torch.from_numpy(some), model.spec)).argmax(1), clips)
        built = {key: value for key, value in options.items() if key != "weights"}
        offset = grid_offset(build_shapes(name, 2, **built), FRAMES, size)[2]
        random = "weights" not in options
        twin = mirrored_network(model, FRAMES, size) if random else model
        for method in tqdm(EXPLAINERS, desc=f"{name} {size}"):
            maps = [
                _batched(
                    lambda some, t, network=network: explain(network, some, t, method),
                    np.ascontiguousarray(shown),
                    targets,
                )
                for network, shown in ((model, clips), (twin, clips[:, :, :, ::-1]))
            ]
            row = {"network": name, "size": size, "padding": model.spec.options.get("padding") or "zeros"}
            row |= {"windows_off": offset, "method": method, "twin": random, "clips": len(clips)}
            for axis in ("width", "height"):
                found = position_bias(*maps, axis)
                row |= {f"{axis}_{key}": round(float(value), 3) for key, value in found.items()}
            if not random:
                turned = _batched(
                    lambda some, t, network=model: explain(network, some, t, method),
                    np.ascontiguousarray(clips[:, :, ::-1]),
                    targets,
                )
                row["turned_halves"] = round(position_bias(maps[0], turned, "height")["halves"], 3)
            rows.append(row)
    return pd.DataFrame(rows)


def _batched(function, *arrays) -> np.ndarray:
    with torch.no_grad():
        parts = [
            function(*(array[start : start + BATCH] for array in arrays))
            for start in range(0, len(arrays[0]), BATCH)
        ]
    return np.concatenate([part.cpu().numpy() for part in parts])


def as_markdown(table: pd.DataFrame) -> str:
    """Left over right half, and the greatest share of an outermost eighth over its share of the area, by explainer."""
    lines = [
        "| network, pixels, padding | windows off, pixels | " + " | ".join(EXPLAINERS) + " |",
        "|---|---|" + "---|" * len(EXPLAINERS),
    ]
    for (name, size, padding), rows in table.groupby(["network", "size", "padding"], sort=False):
        cells = rows.set_index("method")
        outer = cells[["width_first", "width_last"]].max(axis=1)
        shown = [f"{cells.loc[key, 'width_halves']:.2f}, {outer[key]:.2f}" for key in EXPLAINERS]
        lines.append(
            f"| {name}, {size}, {padding} | {rows['windows_off'].iloc[0]:g} | " + " | ".join(shown) + " |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    table = measure(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20)
    print(table.to_string(index=False))
    table.to_csv(WRITTEN, index=False)
    print(as_markdown(table))
