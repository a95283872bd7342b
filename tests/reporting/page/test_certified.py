"""A page says what the agents' cards state as certified, of the lambdas that were played."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sap_rl.agents import load_agent
from sap_rl.reporting.page.certified import certified_lines
from sap_rl.reporting.page.extras import PageExtras
from tests.reporting.made import evaluation
from tests.reporting.page.test_page import page

PROVEN = load_agent("BankHeist-certified")
STATED = (
    "Certified at lambda 1, as the card of agent BankHeist-certified states: 94.5% of 256 actions "
    "in clean play, 93.8% of 256 actions in attacked play. No change of the pixels within lambda "
    "can alter them."
)


def test_the_card_of_another_agent_in_the_originals_place_if_it_is_the_same_still() -> None:
    found = evaluation((1.0, 4.0), defense="agent:BankHeist-certified")
    known = replace(found, agent=replace(found.agent, defended_sha256=PROVEN.sha256))
    assert list(certified_lines(known, load_agent("BankHeist"))) == [STATED]
    assert list(certified_lines(found, None)) == []


@pytest.mark.parametrize("defense", ["sap-100", "agent:BankHeist-certified+sap-100"])
def test_a_certificate_is_of_the_agent_without_a_defence(defense: str) -> None:
    found = evaluation((1.0,), defense=defense)
    known = replace(found, agent=replace(found.agent, defended_sha256=PROVEN.sha256))
    assert list(certified_lines(known, None)) == []


def test_the_original_own_card_and_what_the_page_shows() -> None:
    found = evaluation((1.0, 4.0), defense=None)
    lines = tuple(certified_lines(found, PROVEN))
    assert lines == (STATED,)
    assert STATED in page(found, extras=PageExtras({}, None, (), lines)).text
