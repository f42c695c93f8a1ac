"""The hash of a stage's code follows what it imports, and only what can change its results."""

from __future__ import annotations

import importlib.metadata
import subprocess
import tomllib
from pathlib import Path

import pytest

from voxplain import provenance
from voxplain.errors import VoxplainError

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    "lib/__init__.py": "def __getattr__(name): ...\nVERSION = 1\n",
    "lib/a.py": '"""Doc."""\nfrom .sub import b\nimport numpy\n\ndef f(x):\n    "Doc."\n    return b.g(x)\n',
    "lib/sub/__init__.py": "from ..errors import Wrong\n",
    "lib/sub/b.py": "def g(x):\n    from .c import K, L\n    return x + K\n",
    "lib/sub/c.py": "K = L = 1\n",
    "lib/sub/d.py": "import lib.sub.c as c\n",
    "lib/errors.py": "class Wrong(Exception): ...\n",
    "lib/plugin.py": "P = 1\n",
    "stage.py": "import json\nfrom lib import a, VERSION\n",
}
REACHED = ["lib", "lib.a", "lib.errors", "lib.sub", "lib.sub.b", "lib.sub.c"]


class Toy:
    def __init__(self, root: Path) -> None:
        self.root = root
        for name, text in FILES.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def edit(self, name: str, old: str, new: str) -> str:
        """Replace text in a file and return the stage's hash."""
        text = (self.root / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))
        return self.hash()

    def hash(self, *more: str) -> str:
        return provenance.code_hash(self.root / "stage.py", *more, package=self.root / "lib")

    def modules(self, *starts: str) -> list[str]:
        return provenance.modules_of(*starts, package=self.root / "lib")


@pytest.fixture
def toy(tmp_path):
    return Toy(tmp_path)


def test_follows_imports_of_every_form(toy):
    assert toy.modules(toy.root / "stage.py") == REACHED
    assert toy.modules("lib.sub.d") == ["lib", "lib.errors", "lib.sub", "lib.sub.c", "lib.sub.d"]


@pytest.mark.parametrize(
    "name, old, new",
    [
        ("lib/a.py", '"""Doc."""', '"""Other words,\n\non more lines."""'),
        ("lib/a.py", "return b.g(x)", "# why\n\n    return (b . g(x) )"),
        ("stage.py", "import json", '"""Make x from y."""\nimport json'),
        ("lib/sub/d.py", "as c", "as other"),
        ("lib/plugin.py", "1", "2"),
    ],
)
def test_words_and_unreached_code_do_not_count(toy, name, old, new):
    before = toy.hash()
    assert toy.edit(name, old, new) == before


@pytest.mark.parametrize(
    "name, old, new",
    [
        ("stage.py", "import json", "import json as j"),
        ("lib/a.py", "g(x)", "g(x + 1)"),
        ("lib/sub/__init__.py", "Wrong", "Wrong as Bad"),
        ("lib/sub/b.py", "x + K", "x - K"),
        ("lib/sub/c.py", "1", "2"),
    ],
)
def test_code_counts_however_far_it_is(toy, name, old, new):
    before = toy.hash()
    after = toy.edit(name, old, new)
    assert after != before
    assert toy.edit(name, new, old) == before


def test_a_plugin_given_by_name_counts(toy):
    before = toy.hash("lib.plugin")
    assert before != toy.hash()
    toy.edit("lib/plugin.py", "1", "2")
    assert toy.hash("lib.plugin") != before


def test_the_place_of_the_project_does_not_count(toy, tmp_path):
    assert Toy(tmp_path / "elsewhere").hash() == toy.hash()


def test_names_found_at_run_time_are_refused(toy):
    with pytest.raises(VoxplainError, match="stage.py imports 'explain' from 'lib'.*module that defines it"):
        toy.edit("stage.py", "VERSION", "explain")


@pytest.mark.parametrize(
    "text, message",
    [
        ("import lib.nothing", "no module 'lib.nothing'"),
        ("def f(:", "not valid Python"),
    ],
)
def test_broken_code_is_named(toy, text, message):
    toy.write("stage.py", text)
    with pytest.raises(VoxplainError, match=message):
        toy.hash()


def test_a_missing_script_is_named(tmp_path):
    with pytest.raises(VoxplainError, match="nowhere.py"):
        provenance.code_hash(tmp_path / "nowhere.py")


def test_every_module_of_the_library_can_be_followed():
    names = provenance.modules_of("voxplain.artifacts")
    assert {"voxplain", "voxplain.artifacts", "voxplain.errors"} == set(names)
    for path in (ROOT / "src/voxplain").rglob("*.py"):
        parts = path.relative_to(ROOT / "src").with_suffix("").parts
        provenance.code_hash(".".join(part for part in parts if part != "__init__"))


def test_versions_cover_every_dependency():
    with open(ROOT / "pyproject.toml", "rb") as file:
        declared = tomllib.load(file)["project"]["dependencies"]
    names = {name.partition(">")[0].partition("=")[0].strip() for name in declared}
    assert names <= set(provenance.PACKAGES)
    found = provenance.versions()
    assert set(found) == {"python", *provenance.PACKAGES}
    assert found["torch"] == importlib.metadata.version("torch")


def test_record_finds_seeds_at_any_depth():
    made = provenance.record(
        rule="r", params={"seed": 1, "training": {"seed": 2, "lr": 0.1}, "k": 3}, code="c", device="cuda"
    )
    assert made["seeds"] == {"seed": 1, "training.seed": 2}
    assert (made["rule"], made["code"], made["device"]) == ("r", "c", "cuda")


def test_git_revision(tmp_path):
    assert provenance.git_revision(tmp_path) is None

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    git("init")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-m", "first")
    commit = git("rev-parse", "HEAD").strip()
    assert provenance.git_revision(tmp_path) == commit
    (tmp_path / "a").write_text("2")
    assert provenance.git_revision(tmp_path) == f"{commit}-dirty"
