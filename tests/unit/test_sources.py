"""What a script reaches: code wherever it is, and nothing that is only said."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxplain import provenance
from voxplain.errors import VoxplainError
from voxplain.sources import library

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    "lib/__init__.py": "def __getattr__(name): ...\nVERSION = 1\n",
    "lib/a.py": '''
"""Doc."""
import numpy as np
from .sub import b
from .errors import Wrong

def f(x):
    """Doc."""
    if x > 3:
        raise Wrong(f"{x} is too large: {hint(x)}")
    return b.g(np.abs(x))

def hint(x):
    return f"take less than {x}"

def unused(x):
    return x
''',
    "lib/sub/__init__.py": "from .c import M as again\n",
    "lib/sub/b.py": "def g(x):\n    from .c import K\n    return x + K\n",
    "lib/sub/c.py": "K = 1\nL = 2\nM = 3\n",
    "lib/errors.py": "class Wrong(Exception):\n    code = 1\n",
    "lib/registry.py": "class Registry: ...\n",
    "lib/tools/__init__.py": "from ..registry import Registry\nTOOLS = Registry('tool', 'lib.tools')\n",
    "lib/tools/saw.py": "from . import TOOLS\nfrom .teeth import N\n\n@TOOLS('saw', sharp=True)\n"
    "def saw(wood, *, depth=2.0, teeth=N, way=('up',), name): return wood - depth\n",
    "lib/tools/axe.py": "from . import TOOLS as T\n\n@T('axe')\ndef axe(wood): return wood / 2\n",
    "lib/tools/teeth.py": "N = 7\n",
    "lib/kinds.py": "KINDS = {\n    'maps': 1,\n    'cells': 1,\n}\n\ndef write(kind): return KINDS[kind]\n",
    "lib/tables.py": "from .sub.c import M\nfrom .a import unused\n\ndef one_table(): return 1\n",
    "stage.py": "from lib import a\nfrom lib.kinds import write\n\ndef main():\n    write('maps')\n    return a.f(1)\n",
}


class Toy:
    def __init__(self, root: Path) -> None:
        self.root = root
        for name, text in FILES.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def hash(self, *also: str, **plugins: list[str]) -> str:
        return provenance.code_hash(self.root / "stage.py", *also, plugins=plugins, package=self.root / "lib")

    def reached(self, *also: str, **plugins: list[str]) -> set[str]:
        found = library(self.root / "lib").reach(self.root / "stage.py", also, plugins)
        return {f"{module}:{name}" for module, name in found.places if name and "stage.py" not in module}


@pytest.fixture
def toy(tmp_path):
    return Toy(tmp_path)


def test_definitions_are_followed_through_imports(toy):
    # The message, and so what it calls, is not followed; nor is what nobody uses.
    assert toy.reached() == {
        "lib.a:f", "lib.errors:Wrong", "lib.sub.b:g", "lib.sub.c:K", "lib.kinds:KINDS", "lib.kinds:write",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text, expected",
    [
        ("import lib.sub.b\nlib.sub.b.g(1)", {"lib.sub.b:g", "lib.sub.c:K"}),
        ("import lib.sub.b as other\nother.g(1)", {"lib.sub.b:g", "lib.sub.c:K"}),
        ("from lib.sub.b import g as h\nh(1)", {"lib.sub.b:g", "lib.sub.c:K"}),
        ("from lib import sub\nsub.again", {"lib.sub.c:M"}),
        ("import lib.sub.c\nfrom lib.sub import b", set()),
        # A module that is handed on, with what it has from elsewhere.
        (
            "from lib import tables\ngetattr(tables, 'x')",
            {"lib.tables:one_table", "lib.sub.c:M", "lib.a:unused"},
        ),
        ("from lib.sub.c import *\nK", {"lib.sub.c:K", "lib.sub.c:L", "lib.sub.c:M"}),
    ],
)
def test_every_form_of_import(toy, text, expected):
    toy.write("stage.py", text)
    assert toy.reached() == expected


def test_a_function_that_asks_for_its_modules_names_may_use_all(toy):
    toy.write("lib/odd.py", "A = 1\nB = 2\n\ndef f(name): return globals()[name]\n")
    toy.write("stage.py", "from lib.odd import f\nf('A')\n")
    assert toy.reached() == {"lib.odd:f", "lib.odd:A", "lib.odd:B"}


@pytest.mark.parametrize(
    "name, old, new",
    [
        ("lib/a.py", '"""Doc."""', '"""Other words,\n\non more lines."""'),
        ("lib/a.py", "return b.g(np.abs(x))", "# why\n    return (b . g(np.abs(x)) )"),
        ("lib/a.py", "is too large", "is far too large"),
        ("lib/a.py", "take less", "try less"),
        ("lib/a.py", "return x\n", "return -x\n"),
        ("lib/sub/c.py", "M = 3", "M = 4"),
        ("lib/kinds.py", "'cells': 1", "'cells': 2, 'more': 1"),
        ("lib/tools/saw.py", "wood - depth", "wood + depth"),
        ("stage.py", "from lib import a", '"""Make x from y."""\nfrom lib import a'),
    ],
)
def test_what_is_said_and_what_is_not_reached_do_not_count(toy, name, old, new):
    before = toy.hash()
    toy.edit(name, old, new)
    assert toy.hash() == before


@pytest.mark.parametrize(
    "name, old, new",
    [
        ("stage.py", "a.f(1)", "a.f(2)"),
        ("lib/a.py", "x > 3", "x > 4"),
        ("lib/a.py", "import numpy as np", "import cupy as np"),
        ("lib/sub/b.py", "x + K", "x - K"),
        ("lib/sub/b.py", "import K", "import M as K"),
        ("lib/sub/c.py", "K = 1", "K = 2"),
        ("lib/sub/c.py", "M = 3", "M = 3\nSEED[0] = 1"),  # what an import does
        ("lib/errors.py", "code = 1", "code = 2"),
        ("lib/kinds.py", "'maps': 1", "'maps': 2"),
    ],
)
def test_code_counts_however_far_it_is(toy, name, old, new):
    before = toy.hash()
    toy.edit(name, old, new)
    after = toy.hash()
    assert after != before
    toy.edit(name, new, old)
    assert toy.hash() == before


@pytest.mark.parametrize(
    "said, otherwise",
    [
        ('raise ValueError("a" + "b")', 'raise ValueError("c" + "d")'),
        ('raise ValueError(", ".join(x))', 'raise ValueError("; ".join(x))'),
        ('assert x, "a"', 'assert x, "b"'),
        ('print("a", x)', 'print("b")'),
        ('log.warning("a %s", x)', "pass"),
        ('warnings.warn("a")', 'warnings.warn("b")'),
        ('return KeyError("a" if x else "b")', 'return KeyError("c" if x else "d")'),
        ('return Field(1, description="a")', "return Field(1)"),
    ],
)
def test_messages_do_not_count(toy, said, otherwise):
    toy.write("stage.py", f"def main(x):\n    if x: pass\n    {said}\n")
    before = toy.hash()
    toy.write(
        "stage.py",
        f"def main(x):\n    if x: pass\n    {otherwise}\n".replace("    pass\n", "", otherwise == "pass"),
    )
    assert toy.hash() == before


@pytest.mark.parametrize(
    "text",
    [
        "@table('a', title='{}')\ndef a(): ...",
        "@table('a', meaning='{}', columns='{}')\ndef a(): ...",
        "A: Prose = {'x': '{}'}",
    ],
)
def test_what_is_said_of_a_table_does_not_count(toy, text):
    hashes = set()
    for words in ("one", "other"):
        toy.write("stage.py", text.replace("{}", words))
        hashes.add(toy.hash())
    toy.write("stage.py", text.replace("title", "titles").replace("meaning", "mean").replace("Prose", "Code"))
    assert len(hashes) == 1 and toy.hash() not in hashes


@pytest.mark.parametrize(
    "one, other",
    [
        ("raise Arrived(x + 1)", "raise Arrived(x + 2)"),
        ("raise Arrived(steps[1])", "raise Arrived(steps['a'])"),
        ("print(next(x))", "print(x)"),
        ("assert x > 1", "assert x > 2"),
        ("return 'a'", "return 'b'"),
        ("x.warn('a')", "x.warn('b')"),
    ],
)
def test_what_only_looks_like_a_message_counts(toy, one, other):
    toy.write("stage.py", f"def main(x):\n    {one}\n")
    before = toy.hash()
    toy.write("stage.py", f"def main(x):\n    {other}\n")
    assert toy.hash() != before


def test_plugins_count_that_are_named(toy):
    toy.write("stage.py", "from lib.tools import TOOLS\nTOOLS['saw']")
    reached = toy.reached(tools=["saw"])
    assert {"lib.tools.saw:saw", "lib.tools.teeth:N"} < reached and "lib.tools.axe:axe" not in reached
    # Of a registry of which nothing is said, all count.
    assert reached | {"lib.tools.axe:axe"} == toy.reached()
    assert toy.reached(tools=["none"]) == reached - {"lib.tools.saw:saw", "lib.tools.teeth:N"}
    assert len({toy.hash(tools=["saw"]), toy.hash(tools=["axe"]), toy.hash()}) == 3


def test_plugins_are_read_with_their_options(toy):
    sources = library(toy.root / "lib")
    assert list(sources.registries()) == ["tools"]
    found = sources.plugins(sources.registries()["tools"])
    assert list(found) == ["axe", "saw"]
    assert found["saw"].defaults == {"depth": 2.0, "way": ("up",)}  # the default of teeth is no literal


def test_more_can_be_named(toy):
    assert toy.reached("lib.tables:one_table") == toy.reached() | {"lib.tables:one_table"}
    assert toy.reached("lib.tables") == toy.reached() | {
        "lib.tables:one_table",
        "lib.sub.c:M",
        "lib.a:unused",
    }


def test_a_network_of_ones_own_counts(toy, monkeypatch):
    monkeypatch.syspath_prepend(str(toy.root))
    toy.write("mynets.py", "from helpers import nothing\n\nN = 1\n\ndef build(): return N\n")
    toy.write("stage.py", "from lib.tools import TOOLS\nTOOLS")
    before = toy.hash(tools=["mynets:build"])
    toy.edit("mynets.py", "N = 1", "N = 2")
    assert toy.hash(tools=["mynets:build"]) != before
    assert toy.hash(tools=["torch:rand"]) == toy.hash(
        tools=[]
    )  # installed packages are told by their versions
    toy.write("stage.py", "from lib import a\na.f")  # reaches no registry
    assert toy.hash(tools=["mynets:build"]) == toy.hash()


def test_the_place_of_code_does_not_count(toy, tmp_path):
    before = toy.hash()
    assert Toy(tmp_path / "elsewhere").hash() == before
    (toy.root / "lib/sub").rename(toy.root / "lib/under")
    toy.edit("lib/a.py", "from .sub import b", "from .under import b")
    assert toy.hash() == before


def test_names_found_at_run_time_are_refused(toy):
    toy.write("stage.py", "from lib import explain\nexplain()")
    with pytest.raises(VoxplainError, match="'explain' from 'lib'.*module that defines it"):
        toy.hash()


@pytest.mark.parametrize(
    "text, message",
    [("from lib.nothing import x\nx", "no module 'lib.nothing'"), ("def f(:", "not valid Python")],
)
def test_broken_code_is_named(toy, text, message):
    toy.write("stage.py", text)
    with pytest.raises(VoxplainError, match=message):
        toy.hash()


def test_a_missing_script_or_name_is_named(tmp_path, toy):
    with pytest.raises(VoxplainError, match="nowhere.py"):
        provenance.code_hash(tmp_path / "nowhere.py")
    with pytest.raises(VoxplainError, match="'lib.tables' defines no 'two_table'"):
        toy.hash("lib.tables:two_table")


def test_the_whole_library_can_be_followed():
    package = ROOT / "src/voxplain"
    sources = library(package)
    found = sources.reach(None, sources.modules())
    assert (
        len(found.places) > 1000 and {"torch", "skimage", "av", "zennit", "sklearn", "cv2"} <= found.outside
    )


def test_code_is_loaded_by_name_in_known_places_only():
    """Registries, which are followed, networks from elsewhere and tables, which are named; not in stages otherwise."""
    sources = library(ROOT / "src/voxplain")
    plugins = [
        f"{plugin.place.module}:{plugin.place.name}"
        for r in sources.registries().values()
        for plugin in sources.plugins(r).values()
    ]
    users = set()
    for stage in sorted((ROOT / "src/stages").glob("[a-z]*.py")):
        for place in sources.reach(stage, plugins).places:
            names = sources._source(place.module).definitions[place.name].words[0] if place.name else ()
            if any(name[0] in ("importlib", "import_module", "__import__") for name in names):
                users.add(f"{place.module}:{place.name}")
    tables = {"voxplain.tables:Table", "voxplain.tables:all_tables"}  # whose definitions the rules name
    others = {"voxplain.models.external:_imported", "voxplain.models.external:_pytorchvideo"}
    assert users - tables == {"voxplain.registry:Registry", *others}
