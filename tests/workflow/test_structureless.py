"""A whole run on nothing: a random network, and videos of smooth noise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from voxplain.artifacts import read_table
from voxplain.videos.embedded import write_video

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def nothing(tmp_path_factory, run_named):
    folder, rows = tmp_path_factory.mktemp("structureless"), []
    for class_number, class_name in enumerate("abcdef"):
        for number in range(20):
            noise = np.random.default_rng([class_number, number]).random((18, 32, 32, 3))
            noise = gaussian_filter(noise, (1, 2, 2, 0), mode="wrap")
            frames = 255 * (noise - noise.min()) / np.ptp(noise)
            path = folder / f"{class_name}_{number}.mp4"
            write_video(path, frames.astype(np.uint8))
            rows.append((path.name, class_name, "train" if number < 14 else "test"))
    pd.DataFrame(rows, columns=["path", "class", "split"]).to_csv(folder / "videos.csv", index=False)
    run_named(folder, "structureless", "results/structureless/tables/claims.parquet")
    return folder


def table(folder, name) -> pd.DataFrame:
    return read_table(folder / f"results/structureless/tables/{name}.parquet", name)


def test_hardly_a_concept_is_significant(nothing):
    scores = table(nothing, "concept_scores")
    assert len(scores) >= 12
    assert scores["significant"].mean() <= 0.07


def test_no_claim_is_a_yes(nothing):
    claims = table(nothing, "claims")
    assert {"adding", "removing", "concepts_significant", "maps_on_motion", "selection_on_motion"} <= set(
        claims["claim"]
    )
    # Most could have been a yes: there are videos enough, and controls.
    assert (claims["verdict"] == "too few").mean() < 0.5, claims["verdict"].value_counts().to_string()
    assert (claims["verdict"] == "yes").sum() == 0, claims[claims["verdict"] == "yes"].to_string()
    # Six classes give no p-value that survives the correction over so many claims: before it, by chance one at most.
    told = claims[claims["p_value"] <= 0.05]
    assert len(told) <= 1, told.to_string()
