"""The page that people answer on: one file that loads nothing and sends nothing."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from ..figures import outline
from ..report.browsers import as_json
from ..report.environment import page_environment
from ..report.strips import read_strip
from .questions import Question

FRAME_MS = 100


def study_page(questions: Sequence[Question], clips: Mapping[str, Any], *, study: str) -> str:
    """Write the page.

    Parameters
    ----------
    questions : sequence of Question
    clips : mapping
        Strips of clips by name, of the artifact ``concept_clips``.
    study : str
        What answers say they are of; the key of the answers says the same.

    Returns
    -------
    str
        HTML. It does not hold the right answers.
    """
    pictures: dict[tuple, int] = {}
    addresses: list[str] = []
    asked = []
    for question in questions:
        shown = []
        for example in question.examples:
            key = (example["clip"], example["mask"])
            if key not in pictures:
                pictures[key] = len(addresses)
                addresses.append(_picture(clips[example["clip"]], example["mask"]))
            shown.append(pictures[key])
        asked.append({"kind": question.kind, "pictures": shown})
    data = as_json({"study": study, "questions": asked, "pictures": addresses})
    return page_environment().get_template("study.html.j2").render(data=data, count=len(questions))


def _picture(clip: Mapping[str, Any], mask: str) -> str:
    """A clip, dimmed outside its supervoxel, as the address of a moving picture."""
    frames = read_strip(clip["image"], clip["frames"], gray=False)
    inside = read_strip(mask, clip["frames"]) > 0
    drawn = outline(frames, inside, dim=0.35, scale=max(1, round(160 / clip["height"])))
    first, *others = [Image.fromarray(np.ascontiguousarray(frame)) for frame in drawn]
    content = io.BytesIO()
    first.save(
        content, "webp", save_all=True, append_images=others, duration=FRAME_MS, loop=0, quality=60, method=3
    )
    return f"data:image/webp;base64,{base64.b64encode(content.getvalue()).decode()}"
