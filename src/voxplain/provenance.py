"""What made an artifact: its code, parameters, seeds, packages and device.

Snakemake sees edits to a stage's script but not to the modules that it imports. A rule therefore
gives `code_hash` of its script as a parameter: editing any library module that the stage reaches
reruns it. Sources are only parsed, never imported, and comments and docstrings do not count.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .errors import VoxplainError

PACKAGE = Path(__file__).resolve().parent
# The distributions whose versions can change a result.
PACKAGES = (
    "av", "h5py", "jinja2", "matplotlib", "numpy", "opencv-python-headless", "pandas", "pyarrow", "pydantic",
    "pillow", "pytorchvideo", "pyyaml", "safetensors", "scikit-image", "scikit-learn", "scipy", "snakemake",
    "threadpoolctl", "torch", "torchvision", "tqdm", "zennit",
)  # fmt: skip


class _Import(NamedTuple):
    """One imported name: ``from {level dots}{module} import {name}``, or ``import {module}``."""

    level: int
    module: str
    name: str | None


class _Source(NamedTuple):
    digest: str
    imports: tuple[_Import, ...]
    names: frozenset[str]


def code_hash(*starts: str | os.PathLike, package: Path = PACKAGE) -> str:
    """Hash the code of scripts and modules with every library module that they import.

    Parameters
    ----------
    *starts : str or path
        Paths of scripts (ending in ``.py``) and dotted names of modules. Give the modules of the
        plug-ins that a config chooses as well: registries load them by name, unseen here.
    package : Path
        Folder of the package whose modules are followed.

    Returns
    -------
    str
        16 hexadecimal digits. Formatting, comments, docstrings and the script's place do not count.

    Raises
    ------
    VoxplainError
        See `modules_of`.
    """
    scripts = [_read(Path(start)).digest for start in starts if _is_script(start)]
    reached = modules_of(*starts, package=package)
    modules = [f"{name} {_read(_find(name, package)).digest}" for name in reached]
    return hashlib.sha256("\n".join(scripts + modules).encode()).hexdigest()[:16]


def modules_of(*starts: str | os.PathLike, package: Path = PACKAGE) -> list[str]:
    """List the library modules that scripts and modules import, directly or through others.

    Every import statement counts, in functions too, and so do the packages that a module lies in.

    Raises
    ------
    VoxplainError
        A file or module does not exist or is no Python, or a name is imported from a package that
        finds it only at run time, so that its code cannot be followed.
    """
    found: dict[str, _Source] = {}
    todo = [str(start) for start in starts if not _is_script(start)]
    for start in starts:
        if _is_script(start):
            todo += _targets(_read(Path(start)), str(start), "", package)
    while todo:
        name = todo.pop()
        if name in found:
            continue
        path = _find(name, package)
        if path is None:
            raise VoxplainError(f"There is no module {name!r} in {package}. Correct the import of it.")
        found[name] = _read(path)
        parent = name.rpartition(".")[0]
        inside = name if path.name == "__init__.py" else parent
        todo += [parent] if parent else []
        todo += _targets(found[name], str(path), inside, package)
    return sorted(found)


def record(*, rule: str, params: Mapping[str, Any], code: str, device: str = "cpu") -> dict[str, Any]:
    """Describe what makes an artifact, as its ``made_by`` attributes.

    There is no time, host or revision in it: the same work gives the same bytes.
    """
    return {
        "rule": rule,
        "params": dict(params),
        "seeds": dict(_seeds(params)),
        "code": code,
        "versions": versions(),
        "device": device,
    }


@functools.cache
def versions() -> dict[str, str]:
    """Versions of Python and of the installed `PACKAGES`."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def git_revision(folder: str | os.PathLike = PACKAGE) -> str | None:
    """Commit that `folder` is at, with ``-dirty`` after it if files differ; None outside git."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _seeds(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in params.items():
        if isinstance(value, Mapping):
            yield from _seeds(value, f"{prefix}{key}.")
        elif "seed" in str(key).lower():
            yield f"{prefix}{key}", value


def _is_script(start: str | os.PathLike) -> bool:
    return str(start).endswith(".py")


def _find(module: str, package: Path) -> Path | None:
    """Return the file of a module of the package, or None if it has no such module."""
    root, *parts = module.split(".")
    if root != package.name:
        return None
    base = package.joinpath(*parts)
    for path in (base / "__init__.py", base.with_suffix(".py")):
        if path.is_file():
            return path
    return None


def _targets(source: _Source, where: str, inside: str, package: Path) -> Iterator[str]:
    """Yield the package's modules that a source, lying in the package `inside`, imports."""
    for level, module, name in source.imports:
        if level:
            module = ".".join([*inside.split(".")[: inside.count(".") + 2 - level], *filter(None, [module])])
        if module.partition(".")[0] != package.name:
            continue
        if name is None or name == "*":
            yield module
        elif _find(f"{module}.{name}", package):
            yield f"{module}.{name}"
        else:
            home = _find(module, package)
            names = _read(home).names if home else {name}
            if "__getattr__" in names and name not in names:
                raise VoxplainError(
                    f"{where} imports {name!r} from {module!r}, which finds it only at run time: "
                    "import it from the module that defines it."
                )
            yield module


def _read(path: Path) -> _Source:
    try:
        state = path.stat()
    except OSError as error:
        raise VoxplainError(f"Cannot read the code of {path}: {error.strerror}.") from None
    return _parse(path, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=None)
def _parse(path: Path, mtime_ns: int, size: int) -> _Source:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise VoxplainError(f"{path} is not valid Python: {error}.") from None
    imports = tuple(_imports(tree))
    for node in ast.walk(tree):
        _drop_docstring(node)
    digest = hashlib.sha256(ast.dump(tree).encode()).hexdigest()
    return _Source(digest, imports, frozenset(_top_names(tree)))


def _imports(tree: ast.Module) -> Iterator[_Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (_Import(0, alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (_Import(node.level, node.module or "", alias.name) for alias in node.names)


def _drop_docstring(node: ast.AST) -> None:
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        match node.body:
            case [ast.Expr(value=ast.Constant(value=str())), *rest]:
                node.body = rest


def _top_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a module binds at its top level."""
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from (alias.asname or alias.name.partition(".")[0] for alias in names)
