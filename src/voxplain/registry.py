"""Registries of plug-ins: models, segmenters, explainers, flow estimators, concept classifiers.

A plug-in is one function (or class) in one file of the registry's package, decorated with the
registry. Its keyword-only parameters are its options: their annotations and defaults are the
schema that a config's options are checked against. Nothing else has to change.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pydantic

from .errors import ConfigError, nearest


@dataclass(frozen=True)
class Plugin:
    """A registered function with the schema of its options."""

    kind: str
    name: str
    function: Callable[..., Any]
    schema: type[pydantic.BaseModel]
    traits: dict[str, Any]

    @property
    def summary(self) -> str:
        """First line of the function's docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    @property
    def module(self) -> str:
        """Dotted name of the module that holds the function."""
        return self.function.__module__

    @property
    def defaults(self) -> dict[str, Any]:
        """Options that have a default, with it."""
        fields = self.schema.model_fields.items()
        return {name: field.default for name, field in fields if not field.is_required()}

    def options(self, given: dict[str, Any] | None = None) -> dict[str, Any]:
        """Check `given` against the schema and fill in defaults.

        Raises
        ------
        ConfigError
            An option is unknown or has an impossible value; the text names the known ones.
        """
        given = given or {}
        known = self.schema.model_fields
        for key in given:
            if key not in known:
                raise ConfigError(
                    f"{self.kind} {self.name!r} has no option {key!r}{nearest(key, known)} "
                    f"Known options: {', '.join(known) or 'none'}."
                )
        try:
            return dict(self.schema(**given))
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ConfigError(
                f"{self.kind} {self.name!r}: option {where!r} cannot be {first['input']!r} "
                f"({first['msg']}). Correct it in the config."
            ) from None


class Registry:
    """Plug-ins of one kind, found in the modules of one package.

    Parameters
    ----------
    kind : str
        What a plug-in is called in messages, such as ``"explainer"``.
    package : str
        Dotted name of the package (or module) whose modules register themselves when imported.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self.package = package
        self._plugins: dict[str, Plugin] = {}
        self._loaded = False

    def __call__(self, name: str, **traits: Any) -> Callable[[Callable], Callable]:
        """Decorate a function to register it as `name`; `traits` are facts shown by ``list``."""

        def register(function: Callable) -> Callable:
            self._plugins[name] = Plugin(self.kind, name, function, _options_schema(function), traits)
            return function

        return register

    def __getitem__(self, name: str) -> Plugin:
        self._load()
        if name not in self._plugins:
            raise ConfigError(
                f"No {self.kind} is called {name!r}{nearest(name, self._plugins)} "
                f"Known: {', '.join(self._plugins)}."
            )
        return self._plugins[name]

    def __contains__(self, name: str) -> bool:
        self._load()
        return name in self._plugins

    def __iter__(self) -> Iterator[Plugin]:
        self._load()
        return iter([self._plugins[name] for name in sorted(self._plugins)])

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(getattr(package, "__path__", [])):
            importlib.import_module(f"{self.package}.{module.name}")


def _options_schema(function: Callable) -> type[pydantic.BaseModel]:
    """Build the schema of a plug-in's options from its keyword-only parameters."""
    fields = {}
    hints = inspect.get_annotations(function, eval_str=True)
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            fields[name] = (hints.get(name, Any), default)
    return pydantic.create_model(
        f"{function.__name__}_options",
        __config__=pydantic.ConfigDict(extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False),
        **fields,
    )
