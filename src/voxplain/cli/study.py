"""``study``: a page that asks people about a run's concepts, and what their answers tell."""

from __future__ import annotations

import argparse
import json
import shlex
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..artifacts import atomic_path, csv_text, read_json, read_table
from ..errors import VoxplainError
from ..streams import stream

PAGE, KEY = "study.html", "key.json"
LARGEST = 1_000_000  # bytes of a file of answers


def main(arguments: argparse.Namespace) -> int:
    run = Path(arguments.run)
    folder = run / "study" if arguments.output is None else Path(arguments.output)
    return _read(arguments, folder) if arguments.answers else _write(arguments, run, folder)


def _write(arguments: argparse.Namespace, run: Path, folder: Path) -> int:
    from ..finished import finished_layers
    from ..study.page import study_page
    from ..study.questions import choose_questions

    path = finished_layers(run, model=arguments.model, layer=arguments.layer)[0].folder / "concept_clips.json"
    scores = read_table(run / "tables/concept_scores.parquet", "concept_scores")
    content = read_json(path, "concept_clips")
    rng = stream(arguments.seed, "study", str(path.relative_to(run)))
    questions = choose_questions(
        content["concepts"], scores, count=arguments.concepts, examples=arguments.examples, rng=rng
    )
    known = [{**asdict(one), "shown_examples": len(one.examples)} for one in questions]
    for one in known:
        del one["examples"]
    # Of another choice of questions answers are of no use.
    study = sha256(json.dumps([known, [one.examples for one in questions]]).encode()).hexdigest()[:16]
    if (folder / KEY).is_file() and json.loads((folder / KEY).read_text())["study"] != study:
        raise VoxplainError(
            f"{folder} holds another study, whose answers need its key: give another folder as --output."
        )
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        PAGE: study_page(questions, content["clips"], study=study),
        KEY: json.dumps({"study": study, "run": run.name, "questions": known}, indent=1) + "\n",
    }
    for name, text in texts.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    print(f"wrote {folder / PAGE}: {len(questions)} questions; give this one file to people, and keep {KEY}")
    place = f" --output {shlex.quote(str(folder))}" if arguments.output else ""
    print(f"then: python -m voxplain study {shlex.quote(str(run))}{place} --answers FILE ...")
    return 0


def _read(arguments: argparse.Namespace, folder: Path) -> int:
    from ..study.answers import attentive, read_answers, study_tables

    if not (folder / KEY).is_file():
        raise VoxplainError(f"{folder} has no {KEY}: give the study's folder as --output.")
    key = json.loads((folder / KEY).read_text(encoding="utf-8"))
    people, seen = [], set()
    for path in arguments.answers:
        try:
            content = _json_of(Path(path))
            answers = read_answers(content, key["questions"], key["study"])
        except VoxplainError as error:
            print(f"set aside {path}: {error}")
            continue
        if str(content.get("person")) in seen:
            print(f"set aside {path}: that person's answers were read before.")
        elif not arguments.keep_inattentive and not attentive(answers, key["questions"]):
            print(f"set aside {path}: missed a clip among copies of another (--keep-inattentive counts it).")
        else:
            seen.add(str(content.get("person")))
            people.append(answers)
    if not people:
        raise VoxplainError("No answers are left to count.")
    table, by_concept = study_tables(people, key["questions"])
    for name, rows in (("study.csv", table), ("study_concepts.csv", by_concept)):
        with atomic_path(folder / name) as temporary:
            temporary.write_text(csv_text(rows), encoding="utf-8")
    print(table.round(3).to_string(index=False))
    print(f"wrote {folder / 'study.csv'} and {folder / 'study_concepts.csv'}")
    if len(people) < 3:
        print("Fewer than three people: intervals say nothing of other people.")
    return 0


def _json_of(path: Path) -> Any:
    try:
        if path.stat().st_size > LARGEST:
            raise VoxplainError("It is larger than any file of answers.")
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise VoxplainError(f"It cannot be read as JSON ({error}).") from None
