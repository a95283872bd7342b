"""A certification of a small agent: shares, attacks, intervals, radius, JSON."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

import sap_rl
from sap_rl import Agent, CertifySettings, Preprocess
from sap_rl.certification.results import read_certificate
from sap_rl.certification.run import Certification, certification_facts
from sap_rl.errors import UsageError
from sap_rl.networks.checkpoint import Checkpoint
from sap_rl.pixels import to_unit
from sap_rl.reporting.tables.checkpoints import checkpoint_report
from sap_rl.reporting.tables.evaluation import printed
from tests.certification.little import record_little

SIZE = (36, 36)


@pytest.fixture(scope="module", autouse=True)
def _short_games() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        record_little(patch, games=4)
        yield


@pytest.fixture(scope="module")
def small() -> Agent:
    """An agent of random weights whose frames are small."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nn.Sequential(
            nn.Conv2d(4, 4, 8, stride=4), nn.ReLU(), nn.Conv2d(4, 4, 3, stride=2), nn.ReLU(),
            nn.Flatten(), nn.Linear(36, 12), nn.ReLU(), nn.Linear(12, 18),
        )  # fmt: skip
    return Agent(module, Preprocess(height=36, width=36), name="small", game="BankHeist")


@pytest.fixture(scope="module")
def found(small: Agent) -> sap_rl.Certificate:
    return sap_rl.certify(small, "BankHeist", lam=(0.5, 4.0, 100.0), frames=32, radius=True)


def test_shares_fall_with_lambda_and_add_up(found: sap_rl.Certificate) -> None:
    assert [(row.lam, row.play) for row in found.rows] == [
        (lam, play) for lam in (0.5, 4.0, 100.0) for play in ("clean", "attacked")
    ]
    for play in ("clean", "attacked"):
        rows = [row for row in found.rows if row.play == play]
        shares = [row.certified.mean for row in rows]
        assert shares == sorted(shares, reverse=True)
        assert [row.frames for row in rows] == [16] * 3
        for row in rows:
            assert row.certified.mean + row.broken + row.undecided == pytest.approx(1)
    assert found.row(0.5).certified.mean > found.row(100.0).certified.mean
    assert found.row(100.0).broken > 0


def test_the_radius_says_what_the_shares_say(found: sap_rl.Certificate) -> None:
    for row in found.rows[:4]:  # the last lambda lies above LARGEST
        kept = [radius >= row.lam for radius in found.radius[row.play]]
        assert sum(kept) / row.frames == pytest.approx(row.certified.mean, abs=1.5 / 16)
    assert found.radius_quantiles("clean", (0.0, 1.0)) == pytest.approx(
        [min(found.radius["clean"]), max(found.radius["clean"])]
    )


def test_its_table_begins_with_the_answer(found: sap_rl.Certificate) -> None:
    text = str(found)
    share = f"{100 * found.row(0.5).certified.mean:.1f}%"
    first = f"At lambda 0.5 no attack whatever can change {share} of small's actions"
    assert text.startswith(first)
    assert max(map(len, text.splitlines())) <= 80
    assert "certified lambda" in text


def test_json_goes_and_comes(found: sap_rl.Certificate) -> None:
    assert read_certificate(found.to_json()) == found
    with pytest.raises(UsageError, match="no certificate of format 1"):
        read_certificate("{}")


def test_equal_settings_give_equal_rows(small: Agent, found: sap_rl.Certificate) -> None:
    again = sap_rl.certify(small, "BankHeist", lam=(0.5, 4.0, 100.0), frames=32)
    assert again.rows == found.rows


def test_games_are_what_the_interval_goes_over(
    small: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frame 16 k + g is of game g: one game alone certified is a share of 1 in 16."""
    monkeypatch.setattr("sap_rl.certification.run.GAMES", 16)
    run = Certification(small, CertifySettings("BankHeist", frames=64))
    frames = torch.zeros(32, 4, *SIZE)
    kept = torch.arange(32) % 16 == 3
    row = run._row(frames, kept, 1.0, "clean")
    assert row.certified.mean == pytest.approx(1 / 16)
    assert row.certified.low is not None
    assert row.certified.high is not None
    assert row.certified.low <= 1 / 16 < 0.15 < row.certified.high


def test_frames_come_from_clean_and_from_attacked_play(small: Agent) -> None:
    """Both begin with the same games; the attacked player goes another way."""
    run = Certification(small, CertifySettings("BankHeist", (100.0,), frames=32))
    clean, attacked = run._recorded("clean"), run._recorded("attacked")
    assert clean.shape == attacked.shape == (16, 4, *SIZE)
    assert not clean.equal(attacked)
    assert to_unit(torch.tensor(255.0)) == clean.max().ceil() == 1


def test_the_card_has_both_kinds_of_play_and_is_shown(small: Agent) -> None:
    facts = certification_facts(small, "BankHeist", 0.1, frames=32)
    table = facts["certified"]
    command = (
        "sap-rl certify --game BankHeist --agent small --lambda 0.1 --attack-frames 32 --seed 0"
    )
    assert (table["bounds"], table["command"]) == ("linear", command)
    assert table["clean_lambda_0_1"]["frames"] == table["attacked_lambda_0_1"]["frames"] == 16
    share = table["clean_lambda_0_1"]["certified"]
    assert 0 <= share <= 1
    line = f"certified at lambda 0.1: {share:.1%} of 16 actions in clean play"
    assert line in shown(facts)
    assert certification_facts(small.defend("sap-100"), "BankHeist", 0.1, frames=32) == {}


def test_earlier_cards_are_shown_and_odd_ones_pass() -> None:
    earlier = {"certified": {"lambda": 1.0, "rate": 0.25, "frames": 512}}
    assert "certified at lambda 1: 25.0% of 512 actions by intervals" in shown(earlier)
    for odd in (3, {"clean": 3}, {"clean": {"lambda": "x", "certified": [], "frames": 1}}):
        assert "certified" not in shown({"certified": odd})


def shown(facts: dict[str, object]) -> str:
    """What `sap-rl agents show` prints of a card."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    checkpoint = Checkpoint(module, 2, Preprocess(), name="a", kind="dense", facts=facts)
    return printed(checkpoint_report(checkpoint))


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"lam": 0}, "lambda must lie above 0 and up to 255, got 0"),
        ({"lam": 300}, "got 300"),
        ({"lam": ()}, "lambda is missing"),
        ({"frames": 8}, "attack_frames must be at least 32, got 8"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
    ],
)
def test_bad_settings_are_refused(small: Agent, said: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        sap_rl.certify(small, "BankHeist", **said)


def test_a_random_player_is_refused(small: Agent) -> None:
    defended = small.defend("sap-100")
    with pytest.raises(UsageError, match="certify needs an agent without randomness"):
        sap_rl.certify(defended, "BankHeist")
