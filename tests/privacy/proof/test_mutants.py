"""What passes the rule tells neither how identifiers are spelled nor values of who isn't counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from stedi.declared import Declarations
from stedi.errors import DeclarationError, StediError
from stedi.privacy.proof import Proof
from tests.support.mutants import CHANGED, DECLARED, LAST, Mutant, World, declared, worlds


@pytest.fixture(scope="module")
def spelled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[World]]:
    with worlds(tmp_path_factory.mktemp("worlds"), DECLARED) as made:
        yield made


def passes(declarations: Declarations) -> bool:
    try:
        return not [*Proof(declarations).misplaced(declarations.contracts[LAST])]
    except DeclarationError:
        return False


def verdicts(seeds: range, spelled: list[World]) -> Counter[str]:
    """How many of the mutants pass, can be run, and tell; fails for one that passes and tells."""
    counted: Counter[str] = Counter()
    for seed in seeds:
        sql = Mutant(seed).sql()
        declarations = declared(sql)
        good = passes(declarations)
        if not good and seed % 4:
            counted["refused"] += 1
            continue
        try:
            select = declarations.select(LAST)
            first, _, *others = (world.published(select) for world in spelled)
            whose, changed = (world.of_others(select, CHANGED.upper()) for world in spelled[:2])
        except StediError:
            counted["can't be run"] += 1
            continue
        tells = whose != changed or any(first != other for other in others)
        assert not (good and tells), f"{seed}: {sql}"
        counted["passes" if good else "tells" if tells else "refused"] += 1
    return counted


def test_what_passes_can_not_tell(spelled: list[World]) -> None:
    counted = verdicts(range(90), spelled)
    assert counted["passes"] > 10, counted
    assert counted["tells"] > 3, counted


@pytest.mark.slow  # the same with more of them
def test_what_passes_can_not_reveal_many(spelled: list[World]) -> None:
    assert verdicts(range(90, 6_000), spelled)["passes"] > 900
