"""One machine for each back end and user, for all tests of a file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.sandbox.escapes.machine import Machine, why_not

Machines = Callable[[str, str], Machine]


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    """The machine for a back end and a user, made when it is first asked for."""
    made: dict[tuple[str, str], Machine] = {}
    with contextlib.ExitStack() as stack:

        def get(backend: str, user: str) -> Machine:
            if reason := why_not(user):
                pytest.skip(reason)
            if (backend, user) not in made:
                made[backend, user] = stack.enter_context(Machine(backend, user))
            return made[backend, user]

        yield get
