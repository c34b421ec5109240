"""Every attack, from inside a job and a kernel of every back end, and without a sandbox."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sandbox.escapes import contract
from tests.sandbox.escapes.backends import BACKENDS, WHERE
from tests.sandbox.escapes.conftest import Machines
from tests.sandbox.escapes.machine import Ran

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
contract.load()
ATTACKS = {name: terms for name, (_, terms) in contract.REGISTER.items()}

# What is not contained, by attack and user; docs/security.md says so, too.
KNOWN = {
    ("resources.fill_the_disk_through_its_own_folder", "root"): "each file has a limit, not all",
    (
        "resources.fill_the_disk_through_its_own_folder",
        "ordinary",
    ): "each file has a limit, not all",
    ("resources.fill_the_folder_of_its_sockets", "ordinary"): "only root can mount it with a size",
}

Outcomes = Callable[[str, str, str], Ran]


@pytest.fixture(scope="module")
def outcomes(machines: Machines) -> Outcomes:
    """What came of all attacks that bring nothing down, in one sandbox."""
    ran: dict[tuple[str, str, str], Ran] = {}

    def get(backend: str, user: str, place: str) -> Ran:
        machine = machines(backend, user)
        key = (backend, user, place)
        if key not in ran:
            names = [n for n, terms in ATTACKS.items() if place in terms.places and not terms.alone]
            ran[key] = machine.attack(place, names)
        return ran[key]

    return get


@pytest.fixture(scope="module")
def control(machines: Machines) -> Callable[[str], list[str]]:
    """What comes of each attack without a sandbox."""
    ran: dict[str, list[str]] = {}

    def get(name: str) -> list[str]:
        if not ran:
            machine = machines("bubblewrap", "root" if os.geteuid() == 0 else "ordinary")
            ran.update(machine.attack_openly(list(ATTACKS)))
        return ran[name]

    return get


def test_the_documented_attacks_are_there() -> None:
    page = (Path(__file__).parents[3] / "docs" / "security.md").read_text()
    themes = "|".join(contract.THEMES)
    named = re.findall(rf"`((?:{themes})\.[\w*]+)`", page)
    assert len(named) > 30
    assert [name for name in named if not fnmatch.filter(ATTACKS, name)] == []
    assert f"{len(ATTACKS)} attacks" in page


@pytest.mark.parametrize(("backend", "user", "place"), WHERE)
@pytest.mark.parametrize("name", [name for name, terms in ATTACKS.items() if not terms.alone])
def test_an_attack_is_contained(
    request: pytest.FixtureRequest,
    outcomes: Outcomes,
    backend: str,
    user: str,
    place: str,
    name: str,
) -> None:
    if place not in ATTACKS[name].places:
        pytest.skip(f"a {place} has no such thing")
    ran = outcomes(backend, user, place)
    if reason := KNOWN.get((name, user)):
        request.applymarker(pytest.mark.xfail(strict=True, reason=reason))
    assert BACKENDS[backend].process_1 in ran.text.split("OUTCOMES")[0]
    assert name in ran.outcomes, f"the sandbox said nothing: {ran.error} {ran.text[-2000:]}"
    outcome, how = ran.outcomes[name]
    assert outcome == "contained", f"{outcome}: {how}"


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_works_without_the_sandbox(
    control: Callable[[str], list[str]], name: str
) -> None:
    terms = ATTACKS[name]
    if terms.only_root and os.geteuid() != 0:
        pytest.skip("without a sandbox, only root could do it")
    outcome, how = control(name)
    if outcome == "contained" and any(error in how for error in terms.lacking):
        pytest.skip(f"this machine has no such thing, sandbox or not: {how}")
    assert outcome == "escaped", f"{outcome}: {how}"
