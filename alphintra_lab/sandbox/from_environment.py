"""Settings of the Kubernetes cluster that may also stand in the environment."""

from __future__ import annotations

import os
from typing import Any

from traitlets import Bool, Float, Int, TraitError, TraitType, Unicode

from ..errors import Invalid


class FromEnvironment(TraitType[Any, Any]):
    """A setting whose default is ALPHINTRA_KUBERNETES_<NAME> where the environment has it."""

    def default(self, obj: Any = None) -> Any:
        """What the environment says, else what stands here; raises Invalid."""
        name = f"ALPHINTRA_KUBERNETES_{(self.name or '').upper()}"
        text = os.environ.get(name)
        if text is None:
            return super().default(obj)
        try:
            return self.from_string(text)
        except (ValueError, TraitError):
            kind = self.__class__.__name__.lower()
            raise Invalid(f"{name} is {text!r}, and must be a {kind}.", field=name) from None


class Text(FromEnvironment, Unicode[str, str]):
    """A text."""


class Number(FromEnvironment, Float[float, float]):
    """A number."""


class Count(FromEnvironment, Int[int, int]):
    """A whole number."""


class Switch(FromEnvironment, Bool[bool, bool]):
    """True or false."""
