"""What lets the lab start sooner than the Jupyter it is built on."""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any

GRAMMARS = "rfc3987_syntax"


def postpone_grammars() -> None:
    """Let jsonschema's checker of IRIs compile its grammars when it is first asked.

    jsonschema, which Jupyter's events need, imports `rfc3987_syntax`, and that compiles 39
    grammars at once: more than half of the time in which a bare Jupyter server starts. Nothing
    in the lab checks an IRI. Call this before Jupyter is imported; afterwards it does nothing.
    """
    spec = find_spec(GRAMMARS) if GRAMMARS not in sys.modules else None
    if spec is not None:
        module = _Postponed(GRAMMARS)
        module.__path__ = spec.submodule_search_locations or []
        sys.modules[GRAMMARS] = module


class _Postponed(ModuleType):
    """Stands for the module until somebody uses it."""

    def is_valid_syntax(self, term: str, value: str) -> bool:
        """What jsonschema takes at once and calls later."""
        return bool(_load().is_valid_syntax(term, value))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_load(), name)


def _load() -> ModuleType:
    if isinstance(sys.modules.get(GRAMMARS), _Postponed):
        del sys.modules[GRAMMARS]
    return importlib.import_module(GRAMMARS)
