"""One machine for each back end and user, for all tests of a process."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.sandbox.escapes.machine import Machine, why_not

Machines = Callable[[str, str], Machine]


@pytest.fixture(scope="session")
def machines() -> Iterator[Machines]:
    """The machine for a back end and a user, made when it is first asked for."""
    made: dict[tuple[str, str], Machine] = {}
    failed: dict[tuple[str, str], BaseException] = {}
    with contextlib.ExitStack() as stack:

        def get(backend: str, user: str) -> Machine:
            if reason := why_not(user):
                pytest.skip(reason)
            key = (backend, user)
            if key in failed:
                raise failed[key]  # a skip, too
            if key not in made:
                try:
                    made[key] = stack.enter_context(Machine(backend, user))
                except BaseException as error:
                    failed[key] = error
                    raise
            return made[key]

        yield get
