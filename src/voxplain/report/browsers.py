"""What the concept browser and the relevance browser of the page are given.

Numbers are written here, as text, so that they are rounded by the same rules as in the tables.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from PIL import Image

from ..figures import outline
from ..motion.figures import HEAT, TITLES, overlay
from . import formats
from .strips import read_strip

PLACE = ["model", "seed", "layer", "class"]


def as_json(value: Any) -> Markup:
    """JSON that is safe within a script element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain, allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("&", "\\u0026").replace("\u2028", "\\u2028"))


def size_of(browser: Mapping[str, Any]) -> int:
    """Bytes that a browser's data takes in the page."""
    return len(as_json(browser).encode())


def concept_browser(
    clips: Mapping[str, Any] | None, tables: Mapping[str, pd.DataFrame], limit: int
) -> dict[str, Any] | None:
    """Data of the concept browser (3D-ACE, figure 1), or None without clips or scores.

    Parameters
    ----------
    clips : mapping or None
        Content of the artifact ``concept_clips``.
    tables : mapping of str to DataFrame
        concept_scores and, where there is one, concept_motion.
    limit : int
        Bytes for clips. Concepts at either end of their ranking come first, and of each its nearest example;
        what does not fit is counted in ``left_out``.

    Returns
    -------
    dict
        clips, concepts (one per row of concept_scores, by rank within network, seed, layer and class; with
        ``row``, its place in the table) and left_out.
    """
    if clips is None or "concept_scores" not in tables:
        return None
    examples = {_key(entry): entry["examples"] for entry in clips["concepts"]}
    scores = tables["concept_scores"]
    concepts, wanted = [], []
    networks = list(dict.fromkeys(entry["model"] for entry in clips["concepts"]))  # in the config's order
    groups = sorted(scores.groupby(PLACE, sort=False), key=lambda group: networks.index(group[0][0]))
    for place, rows in groups:
        total = len(rows)
        for row, cells in rows.sort_values("rank").iterrows():
            entry = dict(zip(PLACE, place, strict=True)) | {"concept": int(cells["concept"])}
            shown = examples.get(_key(entry), [])
            concepts.append(entry | _concept_cells(cells, total, row) | {"examples": []})
            end = min(int(cells["rank"]) - 1, total - int(cells["rank"]))
            wanted += [(number, end, len(concepts) - 1, example) for number, example in enumerate(shown)]
    _motion_of_concepts(tables.get("concept_motion"), concepts)
    used: dict[str, Any] = {}
    left_out = 0
    for *_, place, example in sorted(wanted, key=lambda item: item[:3]):
        clip = clips["clips"][example["clip"]]
        cost = len(example["mask"]) + (0 if example["clip"] in used else len(clip["image"])) + 200
        if cost > limit:
            left_out += 1
            continue
        limit -= cost
        used[example["clip"]] = clip
        concepts[place]["examples"].append(example)
    return {"clips": used, "concepts": concepts, "left_out": left_out}


def relevance_browser(
    clips: Mapping[str, Any] | None, tables: Mapping[str, pd.DataFrame], limit: int
) -> dict[str, Any] | None:
    """Data of the relevance browser (Selective Relevance, figure 3), or None without clips.

    Parameters
    ----------
    clips : mapping or None
        Content of the artifact ``relevance_clips``.
    tables : mapping of str to DataFrame
        Where there is motion_sweep, its means are shown at each threshold.
    limit : int
        Bytes for clips; every network's first ones come first, and what does not fit is counted.

    Returns
    -------
    dict
        clips, explained, sigmas, sigma, titles (of explainers), heat (256 colors, base64 of RGB), sweep
        (by network and explainer, one entry per position of the slider, whole map first) and left_out.
    """
    if clips is None:
        return None
    turns: dict[str, int] = {}
    order = []
    for entry in clips["explained"]:
        turns[entry["model"]] = turns.get(entry["model"], -1) + 1
        order.append((turns[entry["model"]], len(order), entry))
    used, explained, left_out = {}, [], 0
    for _, number, entry in sorted(order, key=lambda item: item[:2]):
        clip = clips["clips"][entry["clip"]]
        cost = sum(len(strip) for shown in entry["maps"].values() for strip in shown.values())
        cost += (
            0
            if entry["clip"] in used
            else sum(map(len, (clip["image"], clip["moving"], *clip["known"].values())))
        )
        if cost > limit:
            left_out += 1
            continue
        limit -= cost
        used[entry["clip"]] = clip
        explained.append((number, entry))
    heat = (255 * HEAT(np.linspace(0, 1, 256))[:, :3]).round().astype(np.uint8)
    return {
        "clips": used,
        "explained": [entry for _, entry in sorted(explained, key=lambda item: item[0])],
        "sigmas": clips["sigmas"],
        "sigma": clips["sigma"],
        "titles": TITLES,
        "heat": base64.b64encode(heat.tobytes()).decode(),
        "sweep": _sweep(tables.get("motion_sweep"), clips["sigmas"], clips["threshold"]),
        "left_out": left_out,
    }


def highlights(
    concept_clips: Mapping[str, Any] | None,
    relevance_clips: Mapping[str, Any] | None,
    tables: Mapping[str, pd.DataFrame],
    *,
    most: int = 6,
) -> dict[str, Any] | None:
    """Still pictures of what the first network looks at, for the answer.

    With concepts: the most important one of each class. Otherwise: the explained clips, with the relevance of
    the first explainer.

    Returns
    -------
    dict or None
        model, what (``concepts`` or the name of an explainer) and tiles: image (address), class, note, and of
        concepts the score with its row in concept_scores. With concepts also of, which classes these are.
    """
    if concept_clips is not None and "concept_scores" in tables and len(tables["concept_scores"]):
        return _best_concepts(concept_clips, tables["concept_scores"], most)
    if relevance_clips is not None and relevance_clips["explained"]:
        return _first_explained(relevance_clips, most)
    return None


def _best_concepts(clips: Mapping[str, Any], scores: pd.DataFrame, most: int) -> dict[str, Any]:
    first = clips["concepts"][0]
    rows = scores[scores["rank"] == 1]
    for key in PLACE[:3]:
        rows = rows[rows[key] == first[key]]
    examples = {_key(entry): entry["examples"] for entry in clips["concepts"]}
    tiles = []
    for row, cells in rows.head(most).iterrows():
        shown = examples.get(_key(cells), [])
        if not shown:
            continue
        clip = clips["clips"][shown[0]["clip"]]
        frames = read_strip(clip["image"], clip["frames"], gray=False)
        mask = read_strip(shown[0]["mask"], clip["frames"]) > 0
        moment = int(mask.sum(axis=(1, 2)).argmax())
        scale = max(1, 192 // clip["height"])
        drawn = outline(frames[moment][None], mask[moment][None], dim=0.65, scale=scale)[0]
        score = formats.number(cells["score"])
        tiles.append(
            {
                "image": _still(drawn), "class": cells["class"], "row": row, "score": cells["score"],
                "text": f"{cells['class']}: a frame of video {shown[0]['video']} with the supervoxel of the most "
                f"important concept outlined, score {score}",
            }
        )  # fmt: skip
    place = {key: first[key] for key in PLACE[:3]}
    of = "each class" if len(rows) <= most else f"each of the first {most} classes"
    return place | {"what": "concepts", "of": of, "tiles": tiles}


def _first_explained(clips: Mapping[str, Any], most: int) -> dict[str, Any]:
    model = clips["explained"][0]["model"]
    entries = [entry for entry in clips["explained"] if entry["model"] == model][:most]
    method = next(iter(entries[0]["maps"]))
    title = TITLES.get(method, method)
    tiles = []
    for entry in entries:
        clip = clips["clips"][entry["clip"]]
        frames = read_strip(clip["image"], clip["frames"], gray=False)
        share = (read_strip(entry["maps"][method]["relevance"], clip["frames"]) / 255.0) ** 2
        moment = int(share.sum(axis=(1, 2)).argmax())
        drawn = overlay(frames[moment], share[moment], largest=1.0)
        scale = max(1, 192 // clip["height"])
        tiles.append(
            {
                "image": _still(drawn.repeat(scale, axis=0).repeat(scale, axis=1)), "class": clip["class"],
                "text": f"{clip['class']}: a frame of video {clip['video']} under its relevance by {title}",
            }
        )  # fmt: skip
    return {"model": model, "what": title, "tiles": tiles}


def _still(picture: np.ndarray) -> str:
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "webp", quality=80)
    return f"data:image/webp;base64,{base64.b64encode(content.getvalue()).decode()}"


def _concept_cells(cells: pd.Series, total: int, row: int) -> dict[str, Any]:
    score, spread = cells["score"], cells["score_sd"]
    return {
        "row": row,
        "name": cells.get("name") or None,
        "rank": int(cells["rank"]),
        "total": total,
        "score": float(score),
        "spread": None if pd.isna(spread) else float(spread),
        "significant": bool(cells["significant"]),
        "text": {
            "effect": formats.number(cells["effect"]),
            "score": f"{formats.number(score)} ± {formats.number(spread)}",
            "p": formats.p_value(cells["p_adjusted"]),
            "supervoxels": formats.whole(cells["n_supervoxels"]),
            "videos": formats.whole(cells["n_videos"]),
            "accuracy": formats.percent(cells["cav_accuracy"]),
        },
    }


def _motion_of_concepts(table: pd.DataFrame | None, entries: list[dict[str, Any]]) -> None:
    """Add to each concept the share of its voxels that move, as text; where it is known."""
    for entry in entries:
        entry["motion"] = None
    if table is None or "moving_share" not in table:
        return
    keys = [key for key in (*PLACE, "concept") if key in table]
    known = dict(zip(table[keys].itertuples(index=False, name=None), table["moving_share"], strict=True))
    for entry in entries:
        share = known.get(tuple(entry[key] for key in keys))
        entry["motion"] = None if share is None else formats.percent(share)


def _sweep(table: pd.DataFrame | None, sigmas: list[float], threshold: float) -> dict[str, Any]:
    """Means over clips at each position of the slider: precision, lift, area and relevance selected, row."""
    if table is None or table.empty:
        return {}
    held = table[table["flow_threshold"] == threshold]
    found: dict[str, Any] = {"threshold": threshold}
    for (model, method), rows in held.groupby(["model", "method"], sort=False):
        steps = []
        for sigma in [float("nan"), *sigmas]:
            here = rows[rows["sigma"].isna() if np.isnan(sigma) else rows["sigma"] == sigma]
            steps.append(None if here.empty else _step(here.iloc[0], int(here.index[0])))
        found[f"{model} {method}"] = steps
    return found


def _step(cells: pd.Series, row: int) -> dict[str, Any]:
    return {
        "row": row,
        "precision": formats.percent(cells["precision"]),
        "base_rate": formats.percent(cells["base_rate"]),
        "lift": formats.number(cells["lift"]),
        "area_share": formats.percent(cells["area_share"]),
        "relevance_share": formats.percent(cells["relevance_share"]),
    }


def _key(entry: Mapping[str, Any]) -> tuple:
    return (entry["model"], int(entry["seed"]), entry["layer"], entry["class"], int(entry["concept"]))


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else str(value)
