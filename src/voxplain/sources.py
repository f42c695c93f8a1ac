"""What a script reaches in the library, read from the sources alone: nothing is imported.

Modules are cut into definitions: functions, classes and constants. A script reaches those that its names stand
for, those that their names stand for, and so on, through imports of every form. Where a module itself is handed
on (``getattr(tables, name)``, ``import *``), all of it is reached. Of a `Registry`, the plug-ins are reached that
are named; of the dict `KINDS`, the entries whose keys are strings of reached code. What is only said does not
count: docstrings, ``description=``, the words of errors, warnings, printed and logged lines, ``title=``, ``meaning=``
and ``columns=`` of a decorator, and constants that are annotated as ``Prose``.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from .errors import VoxplainError

KINDS = "KINDS"  # kinds of artifacts with their versions, in whichever module
ABOUT = {"title", "meaning", "columns"}  # what a decorator says of a function
OPAQUE = {"globals", "locals", "vars", "eval", "exec"}  # their callers may use any name of the module

Names = tuple[str, ...]  # a name with attributes after it: ("np", "pad")


class Place(NamedTuple):
    """Where a definition is: the module's dotted name, and its name there.

    Without a name it is the whole module; `BESIDE` is what a module does beside defining.
    """

    module: str
    name: str | None


BESIDE = ""


def _place(text: str) -> Place:
    module, _, name = text.partition(":")
    return Place(module, name or None)


class Definition:
    """A function, class or constant; read when it is reached.

    Parameters
    ----------
    nodes : list of statement
        That define it.
    """

    def __init__(self, nodes: list[ast.stmt]) -> None:
        self._nodes = nodes

    @cached_property
    def _code(self) -> list[ast.stmt]:
        """Its statements without what is only said."""
        return [node for node in map(_Unsaid().visit, self._nodes) if node is not None]

    @cached_property
    def digest(self) -> str:
        """Of its code."""
        return hashlib.sha256("\n".join(map(ast.dump, self._code)).encode()).hexdigest()[:16]

    @cached_property
    def words(self) -> tuple[set[Names], set[str]]:
        """The names that stand in it, and its string constants."""
        names, strings = set(), set()
        todo: list[ast.AST] = list(self._code)
        while todo:
            node, attributes = todo.pop(), []
            while isinstance(node, ast.Attribute):
                attributes.insert(0, node.attr)
                node = node.value
            if isinstance(node, ast.Name):
                names.add((node.id, *attributes))
            elif isinstance(node, ast.Constant):
                strings |= {node.value} if isinstance(node.value, str) else set()
            else:
                todo += ast.iter_child_nodes(node)
        return names, strings

    @property
    def _value(self) -> ast.expr | None:
        match self._nodes:
            case [ast.Assign(value=value) | ast.AnnAssign(value=value)]:
                return value
        return None

    @cached_property
    def entries(self) -> dict[str, str]:
        """Digests of the values of a dict that is spelled out."""
        match self._value:
            case ast.Dict(keys=keys, values=values) if all(isinstance(key, ast.Constant) for key in keys):
                return {key.value: ast.dump(value) for key, value in zip(keys, values, strict=True)}
        return {}

    @property
    def registry(self) -> str | None:
        """Of a registry, the package of its plug-ins; ``__name__`` for the module itself."""
        match self._value:
            case ast.Call(
                func=ast.Name(id="Registry"), args=[_, ast.Constant(value=home) | ast.Name(id=home)]
            ):
                return home
        return None

    @property
    def plugins(self) -> Iterator[tuple[Names, str, dict[str, Any], tuple[str, ...]]]:
        """The registries that it may be in, as what, the defaults of its options, and their names."""
        match self._nodes:
            case [ast.FunctionDef(decorator_list=decorators, args=arguments)]:
                for decorator in decorators:
                    match decorator:
                        case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]):
                            options = tuple(argument.arg for argument in arguments.kwonlyargs)
                            names = tuple(ast.unparse(function).split("."))
                            yield names, name, _defaults(arguments), options


class Import(NamedTuple):
    """What a name is imported as: ``from {level dots}{module} import {name}``, or ``import {module} [as]``."""

    level: int
    module: str
    name: str | None


@dataclass(frozen=True)
class Source:
    """A file, cut into definitions by name, with what each imported name stands for."""

    definitions: Mapping[str, Definition]
    imports: Mapping[str, frozenset[Import]]


class Plugin(NamedTuple):
    """A registered function, the defaults of its options that are literals, and the names of all of them."""

    place: Place
    defaults: Mapping[str, Any]
    options: tuple[str, ...]


class Reached(NamedTuple):
    """Definitions with a line of text each that stands for its code, and packages used from outside."""

    places: set[Place]
    lines: list[str]
    outside: set[str]


class Library:
    """The sources of packages.

    Parameters
    ----------
    roots : mapping of str to Path
        Names of packages or modules, and the folders that they lie in.
    """

    def __init__(self, roots: Mapping[str, Path]) -> None:
        self._roots = dict(roots)
        self._sources: dict[str, Source] = {}
        self._links: dict[Place, tuple[list[tuple[str, Place]], set[str]]] = {}

    def reach(
        self,
        script: Path | None,
        also: Iterable[str] = (),
        plugins: Mapping[str, Iterable[str]] | None = None,
    ) -> Reached:
        """Follow a script, and `also` other definitions (``package.module:name`` or ``package.module``).

        Parameters
        ----------
        plugins : mapping of str to names
            The plug-ins that count, by their registry's name in small letters, such as ``explainers``. Of a
            registry that is not here, all count. ``package.module:function`` counts where its package was read.

        Raises
        ------
        VoxplainError
            A file or module does not exist or is no Python, or a library's module imports a name from its package,
            which finds it only at run time, so that its code cannot be followed. (A user's may: what it gets so is
            the library's public face, and stands for what stages reach by themselves.)
        """
        plugins = plugins or {}
        places: set[Place] = set()
        lines, outside, strings, kinds = set(), set(), set(), {}
        todo = [_place(start) for start in also]
        if script is not None:
            # A module under a name that no other has; all that a script defines is used by it.
            name = str(_state(script))
            self._sources[name] = read_source(script)
            todo.append(Place(name, None))
        while todo:
            place = todo.pop()
            if place in places:
                continue
            places.add(place)
            todo.append(Place(place.module, BESIDE))
            if place.name is None:
                todo += self._all_of(place.module)
                continue
            found = self._definition(place)
            if place.name == KINDS and found.entries:
                kinds |= found.entries
                continue
            links, used = self._linked(place)
            todo += [target for _, target in links]
            if place.name == BESIDE:
                todo += self._imported(place.module)
            if found.registry:
                known = self.plugins(place)
                for name in plugins.get(place.name.lower(), known):
                    if name in known:
                        todo.append(known[name].place)
                    elif ":" in name and self._is_ours(name.partition(":")[0]):
                        todo.append(_place(name))
            marks = {f"{name}={self._mark(target)}" for name, target in links}
            lines.add(" ".join([found.digest, *sorted(marks | used)]))
            outside |= {name.partition("=")[2].partition(".")[0] for name in used}
            strings |= found.words[1]
        lines |= {f"{kind}={kinds[kind]}" for kind in strings & set(kinds)}
        return Reached(places, sorted(lines), outside)

    @functools.cache  # noqa: B019
    def plugins(self, registry: Place) -> dict[str, Plugin]:
        """Plug-ins of a registry by name."""
        home = self._definition(registry).registry
        package = registry.module if home == "__name__" else home
        folder = self._file(package)
        modules = [package]
        if folder.name == "__init__.py":
            modules += [f"{package}.{path.stem}" for path in sorted(folder.parent.glob("*.py"))]
        return {
            name: Plugin(Place(module, function), defaults, options)
            for module in modules
            if not module.endswith(".__init__")
            for function, definition in self._source(module).definitions.items()
            for names, name, defaults, options in definition.plugins
            if registry in self._stand_for(module, names)
        }

    @functools.cache  # noqa: B019
    def registries(self) -> dict[str, Place]:
        """All registries of the packages, by their names in small letters."""
        return {
            name.lower(): Place(module, name)
            for module in self.modules()
            if "Registry(" in self._file(module).read_text(encoding="utf-8")
            for name, definition in self._source(module).definitions.items()
            if definition.registry
        }

    def modules(self) -> list[str]:
        """Dotted names of all modules."""
        found = []
        for root, folder in self._roots.items():
            for path in sorted(folder.glob(f"{root}.py")) or sorted((folder / root).rglob("*.py")):
                parts = path.relative_to(folder).with_suffix("").parts
                found.append(".".join(part for part in parts if part != "__init__"))
        return found

    def _all_of(self, module: str) -> Iterator[Place]:
        """A module's definitions, and those that it imports by name."""
        source = self._source(module)
        yield from (Place(module, name) for name in source.definitions)
        for name, imports in source.imports.items():
            if any(found.name for found in imports):
                found = (place for place in self._stand_for(module, (name,)) if isinstance(place, Place))
                yield from (place for place in found if place.name)

    def _imported(self, module: str) -> Iterator[Place]:
        """What an import of a module runs: the packages that it lies in, and the modules that it imports."""
        if self._is_module(parent := module.rpartition(".")[0]):
            yield Place(parent, BESIDE)
        for found in {found for imports in self._source(module).imports.values() for found in imports}:
            target = self._absolute(module, found)
            if self._is_ours(target):
                inner = f"{target}.{found.name}"
                yield Place(inner if self._is_module(inner) else target, BESIDE)

    def _linked(self, place: Place) -> tuple[list[tuple[str, Place]], set[str]]:
        """What the names in a definition stand for: definitions of ours, and names from outside."""
        if place not in self._links:
            links, outside = [], set()
            definition = self._definition(place)
            for names in definition.words[0]:
                for target in self._stand_for(place.module, names):
                    if isinstance(target, Place):
                        links.append((".".join(names), target))
                    else:
                        outside.add(f"{names[0]}={target}")
            if any(names[0] in OPAQUE for names in definition.words[0]):
                links.append(("*", Place(place.module, None)))
            self._links[place] = links, outside
        return self._links[place]

    def _stand_for(self, module: str, names: Names) -> Iterator[Place | str]:
        """What a name in a module stands for: places of ours, or dotted names from outside."""
        first, *rest = names
        source = self._source(module)
        if first in source.definitions:
            yield Place(module, first)
        for found in source.imports.get(first, frozenset()) | source.imports.get("*", frozenset()):
            target = self._absolute(module, found)
            if not self._is_ours(target):
                yield ".".join(filter(None, (target, found.name)))
            elif found.name == "*":
                yield Place(target, None)
            elif found.name is None:  # ``import a.b`` binds a, ``import a.b as c`` binds a.b
                root = target.partition(".")[0]
                yield from self._inside(root if first == root else target, rest, module)
            else:
                yield from self._inside(target, [found.name, *rest], module)

    def _inside(self, module: str, rest: list[str], user: str) -> Iterator[Place | str]:
        """What a dotted name within a module of ours stands for."""
        if not rest:
            yield Place(module, None)
            return
        source = self._source(module)
        if rest[0] in source.definitions:
            yield Place(module, rest[0])
        elif self._is_module(f"{module}.{rest[0]}"):
            yield from self._inside(f"{module}.{rest[0]}", rest[1:], user)
        elif rest[0] in source.imports:
            yield from self._stand_for(module, tuple(rest))
        elif "__getattr__" in source.definitions and not self._is_another(user, module):
            raise VoxplainError(
                f"{user} imports {rest[0]!r} from {module!r}, which finds it only at run time: "
                "import it from the module that defines it."
            )
        else:
            yield Place(module, None)

    def _is_another(self, user: str, module: str) -> bool:
        """Whether a module is of another package of ours than `module`, such as the user's own."""
        root = user.partition(".")[0]
        return root in self._roots and root != module.partition(".")[0]

    def _mark(self, place: Place) -> str:
        """What tells a definition from others, but not where it is: code may move."""
        return place.name if place.name in (None, KINDS) else self._definition(place).digest

    def _definition(self, place: Place) -> Definition:
        found = self._source(place.module).definitions.get(place.name)
        if found is None:
            raise VoxplainError(
                f"{place.module!r} defines no {place.name!r}. Correct the name, or give the module that defines it."
            )
        return found

    def _absolute(self, module: str, found: Import) -> str:
        if not found.level:
            return found.module
        parts = module.split(".")
        up = found.level - (self._file(module).name == "__init__.py")
        return ".".join([*parts[: len(parts) - up], *filter(None, [found.module])])

    def _is_ours(self, module: str) -> bool:
        return module.partition(".")[0] in self._roots

    def _is_module(self, module: str) -> bool:
        return bool(module) and self._is_ours(module) and self._file(module) is not None

    @functools.cache  # noqa: B019
    def _file(self, module: str) -> Path | None:
        root, *parts = module.split(".")
        base = self._roots[root].joinpath(root, *parts)
        return next((p for p in (base / "__init__.py", base.with_suffix(".py")) if p.is_file()), None)

    def _source(self, module: str) -> Source:
        if module not in self._sources:
            path = self._file(module) if self._is_ours(module) else None
            if path is None:
                raise VoxplainError(f"There is no module {module!r}. Correct the import of it.")
            self._sources[module] = read_source(path)
        return self._sources[module]


def library(package: Path, *others: Path) -> Library:
    """Read a package, and other packages or modules; once, and again where a file changed."""
    paths = [
        path for root in (package, *others) for path in (root.rglob("*.py") if root.is_dir() else [root])
    ]
    return _library((package, *others), tuple(sorted(_state(path) for path in paths)))


@functools.lru_cache(maxsize=4)
def _library(roots: tuple[Path, ...], state: tuple) -> Library:
    return Library({root.stem: root.parent for root in roots})


def read_source(path: Path) -> Source:
    """Cut a file into definitions.

    Raises
    ------
    VoxplainError
        It cannot be read, or is no Python.
    """
    return _cut(*_state(path))


def _state(path: Path) -> tuple[str, int, int]:
    try:
        state = path.stat()
    except OSError as error:
        raise VoxplainError(f"Cannot read the code of {path}: {error.strerror}.") from None
    return str(path), state.st_mtime_ns, state.st_size


@functools.lru_cache(maxsize=None)
def _cut(path: str, mtime_ns: int, size: int) -> Source:
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (SyntaxError, ValueError) as error:
        raise VoxplainError(f"{path} is not valid Python: {error}.") from None
    tree.body = [node for node in tree.body if not _is_for_types(node)]
    imports: dict[str, set[Import]] = {}
    for name, found in _imports(tree.body):
        imports.setdefault(name, set()).add(found)
    statements: dict[str, list[ast.stmt]] = {BESIDE: []}
    for node in tree.body:
        for name in _bound(node):
            statements.setdefault(name, []).append(node)
    definitions = {name: Definition(nodes) for name, nodes in statements.items()}
    return Source(definitions, {name: frozenset(found) for name, found in imports.items()})


def _is_for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _imports(statements: Iterable[ast.AST]) -> Iterator[tuple[str, Import]]:
    """What statements import, and those within them."""
    for node in statements:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0], Import(0, alias.name, None)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, Import(node.level, node.module or "", alias.name)
        else:
            for inner in ("body", "orelse", "finalbody", "handlers", "cases"):
                yield from _imports(getattr(node, inner, ()))


def _bound(node: ast.stmt) -> set[str]:
    """Names that a top-level statement defines; `BESIDE` where it does more than that."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Import() | ast.ImportFrom():
            return set()
        case ast.Expr(value=ast.Constant()):
            return set()
        case ast.Assign(targets=targets):
            pass
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
            targets = [target]
        case _:
            targets = [node]
    inside = [part for target in targets for part in ast.walk(target)]
    names = {part.id for part in inside if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    names |= {part.name for part in inside if isinstance(part, (ast.FunctionDef, ast.ClassDef))}
    plain = all(isinstance(target, (ast.Name, ast.Tuple)) for target in targets)
    return names if plain else names | {BESIDE}


def _defaults(arguments: ast.arguments) -> dict[str, Any]:
    """Defaults of keyword-only parameters that are literals."""
    found = {}
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        try:
            found[argument.arg] = ast.literal_eval(default)
        except (TypeError, ValueError):  # none, or no literal
            continue
    return found


class _Unsaid(ast.NodeTransformer):
    """Leave out what is only said, and imports, of which only what their names stand for counts."""

    def visit(self, node: ast.AST) -> ast.AST | None:
        match node:
            case ast.Import() | ast.ImportFrom():
                return None
            case ast.Module() | ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                match node.body:
                    case [ast.Expr(value=ast.Constant(value=str())), *rest]:
                        node.body = rest
                for decorator in getattr(node, "decorator_list", []):
                    if isinstance(decorator, ast.Call):
                        decorator.keywords = [word for word in decorator.keywords if word.arg not in ABOUT]
            case ast.AnnAssign(annotation=ast.Name(id="Prose")):
                node.value = None
            case ast.Assert():
                node.msg = None
            case ast.Raise(exc=ast.Call() as call):
                _drop_words(call)
            case ast.Call() if _is_error(node.func) or _is_line(node.func):
                _drop_words(node)
            case ast.Expr(value=ast.Call(func=function) as call) if _is_line(function):
                _drop_words(call)
                # What is called in the line counts: it may do something.
                if sum(isinstance(part, ast.Call) for part in ast.walk(call)) == 1:
                    return None
        if isinstance(node, ast.Call):
            node.keywords = [keyword for keyword in node.keywords if keyword.arg != "description"]
        return self.generic_visit(node)


def _is_error(function: ast.expr) -> bool:
    return isinstance(function, ast.Name) and function.id.endswith(("Error", "Exception", "Warning"))


def _is_line(function: ast.expr) -> bool:
    """Whether a call prints or logs."""
    match function:
        case (
            ast.Name(id="print") | ast.Attribute(value=ast.Name(id="log" | "logger" | "logging" | "warnings"))
        ):
            return True
    return False


def _drop_words(call: ast.Call) -> None:
    call.args = [_unworded(part) for part in call.args]
    for keyword in call.keywords:
        keyword.value = _unworded(keyword.value)


def _unworded(node: ast.expr) -> ast.expr:
    """Text without its words."""
    match node:
        case (
            ast.Constant(value=str())
            | ast.JoinedStr()
            | ast.Call(func=ast.Attribute(value=ast.Constant(value=str())))
        ):
            return ast.Constant("")
        case ast.BinOp():
            node.left, node.right = _unworded(node.left), _unworded(node.right)
        case ast.IfExp():
            node.body, node.orelse = _unworded(node.body), _unworded(node.orelse)
    return node
