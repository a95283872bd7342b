"""The whole line on a real agent, short."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sap_rl import Agent, Evaluation, Protocol, UsageError, evaluate, load_agent
from sap_rl.attacks.schedule import Schedule
from sap_rl.evaluation.run import ArmEnded, ArmPlayed, ArmStarted, EvaluationRun
from sap_rl.evaluation.settings import Settings
from sap_rl.networks.nature import nature_network
from sap_rl.play.noise_control import add_noise_control, matched_sigma
from sap_rl.reporting.tables.evaluation import console, evaluation_report

SHORT = Protocol(max_frames=120, grad_samples=2)


def run(agent: Agent | str = "BankHeist", **options: Any) -> Evaluation:
    given = {"lam": 4, "defense": "sap-100", "episodes": 3, "num_envs": 2, "protocol": SHORT}
    return evaluate(agent, "BankHeist", **(given | options))


@pytest.fixture(scope="module")
def played_agent() -> Agent:
    """The caller's own, of which `evaluation` is."""
    return load_agent("BankHeist")


@pytest.fixture(scope="module")
def evaluation(played_agent: Agent) -> Evaluation:
    return run(played_agent)


def played(evaluation: Evaluation) -> list[tuple[Any, ...]]:
    return [
        (r.arm, r.lam, r.victim, r.returns, r.lengths, r.flip_rate, r.self_flip_rate, r.linf_max)
        for r in evaluation.rows
    ]


def test_every_arm_is_there(evaluation: Evaluation) -> None:
    assert [(r.arm, r.lam, r.victim) for r in evaluation.rows] == [
        ("random", 0.0, None),
        ("original", 0.0, None),
        ("defended", 0.0, None),
        ("noise-control", 0.0, None),
        ("original", 4.0, "own"),
        ("defended", 4.0, "own"),
        ("defended", 4.0, "original"),
        ("noise-control", 4.0, "own"),
        ("noise-control", 4.0, "original"),
    ]
    assert [(c.lam, c.victim) for c in evaluation.changes] == [
        (0.0, None),
        (4.0, "own"),
        (4.0, "original"),
    ]
    assert evaluation.complete


def test_another_seed_gives_other_games(evaluation: Evaluation) -> None:
    other = run(seed=1, defense=None, controls=False, episodes=1)
    row = evaluation.row("original", 4.0, "own")
    again = other.row("original", 4.0, "own")
    assert row is not None
    assert again is not None
    assert row.change_mean != again.change_mean


def test_rules_of_play_are_keywords_and_progress_is_told() -> None:
    heard: list[object] = []
    rules = {"max_frames": 80, "epsilon": 0.5}
    alone = {"lam": 0, "defense": None, "controls": False, "episodes": 1}
    found = run(progress=heard.append, **alone, **rules)
    assert found.settings.protocol == replace(SHORT, **rules)
    assert [type(event) for event in heard if not isinstance(event, ArmPlayed)] == [
        ArmStarted,
        ArmEnded,
    ]


def test_arms_play_the_same_episodes() -> None:
    """Without an attack or a defence two arms of one agent are the same games."""
    none = {"attack": "none", "defense": "q-noise-0", "controls": False}
    found = run(victims=("self",), episodes=2, **none)
    assert found.settings.victims == ("own",)
    assert found.row("original", 4.0, "self") is found.row("original", 4.0, "own") is not None
    returns = {(r.returns, r.lengths) for r in found.rows}
    assert len(found.rows) == 4
    assert len(returns) == 1


def test_what_the_rows_state(evaluation: Evaluation) -> None:
    own, transfer = (
        evaluation.row("defended", 4.0, "own"),
        evaluation.row("defended", 4.0, "original"),
    )
    original, random = evaluation.row("original", 4.0, "own"), evaluation.row("random")
    assert own is not None and transfer is not None and original is not None and random is not None  # noqa: PT018
    assert (own.defense, own.backward, own.sampler) == ("sap-100", "mask", "exact/2")
    assert (own.grad_samples, original.backward, original.sampler) == (2, None, None)
    assert (transfer.backward, original.defense, original.attack) == (None, None, "fgsm")
    assert (random.epsilon, random.attack, random.flip_rate) == (1.0, None, None)
    assert original.linf_max == pytest.approx(4.0, abs=1e-3)
    assert original.self_flip_rate == 0.0
    assert original.flip_rate is not None
    assert original.flip_rate > 0.8, "FGSM at lambda 4 leaves hardly any action as it was"
    assert own.self_flip_rate is not None
    assert own.self_flip_rate > 0.1


def test_the_matched_control_flips_as_often_in_clean_play() -> None:
    """Both see their own games, here the first 60 steps: they agree to 0.15, unmatched noise
    (sigma off by a factor of 3) does not."""
    found = run(lam=0, episodes=4, num_envs=4, max_frames=240)
    defended, matched = found.row("defended"), found.row("noise-control")
    assert defended is not None
    assert matched is not None
    assert defended.self_flip_rate == pytest.approx(matched.self_flip_rate, abs=0.15)


@pytest.mark.parametrize("passes", [1, 4])
def test_the_matched_noise_is_set_for_the_mean_over_passes(
    passes: int, recorded: np.ndarray
) -> None:
    """On the very frames that set it, the control flips as often as it was told to."""
    protocol = replace(SHORT, policy_samples=passes)
    settings = Settings("BankHeist", (0.0,), defense="sap-100", protocol=protocol)
    run = EvaluationRun(load_agent("BankHeist"), settings)
    pixels = np.concatenate([recorded] * 32)
    values = run.players.original.q_values(pixels).numpy()
    add_noise_control(run.players, matched_sigma(run.players, values, 0.4))
    looks = [run.players.agent("noise-control").act(pixels) for _ in range(2)]
    # 512 frames: a standard error of 0.022; without the correction 4 passes flip 0.3
    assert (looks[0] != looks[1]).mean() == pytest.approx(0.4, abs=0.06)


def test_an_evaluation_abandoned_at_the_start_of_an_attacked_arm_can_be_shown() -> None:
    settings = Settings("BankHeist", (4.0,), episodes=1, controls=False, protocol=SHORT)
    run = EvaluationRun(load_agent("BankHeist"), settings)
    for event in run.play():
        if isinstance(event, ArmStarted) and event.arm.victim:
            break
    found = run.result()
    assert (found.rows[-1].victim, found.rows[-1].mean) == ("own", None)
    screen = console(force_terminal=False)
    with screen.capture() as shown:
        screen.print(evaluation_report(found))
    assert "INCOMPLETE" in shown.get()


def test_json_is_one_object_with_the_documented_fields(evaluation: Evaluation) -> None:
    whole = json.loads(evaluation.to_json(), parse_constant=lambda text: pytest.fail(text))
    assert set(whole) == {
        "format", "config", "versions", "protocol", "rows", "changes", "checks", "complete"
    }  # fmt: skip
    assert {
        "game",
        "lambda",
        "arm",
        "attack",
        "defense",
        "victim",
        "backward",
        "grad_samples",
        "policy_samples",
        "epsilon",
        "precision",
        "sampler",
        "episodes",
        "complete",
        "returns",
        "lengths",
        "mean",
        "ci_low",
        "ci_high",
        "normalised",
        "flip_rate",
        "self_flip_rate",
        "linf_max",
        "steps_per_second",
    } <= set(whole["rows"][0])
    assert {
        "game",
        "lambda",
        "victim",
        "headline",
        "percent",
        "ci_low",
        "ci_high",
        "flags",
        "paper_percent",
    } <= set(whole["changes"][0])
    assert whole["protocol"]["frames"] == "all"
    assert whole["protocol"]["preprocess"]["frames"] == 4
    assert whole["config"]["agent_sha256"]


def test_an_abandoned_evaluation_keeps_what_was_finished() -> None:
    settings = Settings(
        "BankHeist", (4.0,), defense="sap-100", episodes=3, num_envs=2, protocol=SHORT
    )
    run = EvaluationRun(load_agent("BankHeist"), settings)
    seen = []
    for event in run.play():
        seen.append(type(event))
        if (
            isinstance(event, ArmPlayed)
            and event.arm.name == "defended"
            and event.arm_stats.episodes
        ):
            break
    found = run.result()
    assert [(r.arm, r.complete) for r in found.rows] == [
        ("random", True),
        ("original", True),
        ("defended", False),
    ]
    assert 0 < found.rows[-1].episodes < 3
    assert found.rows[-1].ci_low is None
    assert not found.complete
    assert found.changes == ()
    assert {ArmStarted, ArmPlayed, ArmEnded} == set(seen)


@pytest.mark.usefixtures("evaluation")
def test_the_callers_agent_and_its_network_are_untouched(played_agent: Agent) -> None:
    before = load_agent("BankHeist").module.state_dict()
    now = played_agent.module.state_dict()
    assert before.keys() == now.keys()
    assert all(torch.equal(before[name], value) for name, value in now.items())
    assert all(parameter.grad is None for parameter in played_agent.module.parameters())
    assert played_agent.defense is None


def test_an_agent_that_is_random_already_is_played_as_it_is() -> None:
    agent = load_agent("BankHeist").defend("sap-100", seed=3)
    found = evaluate(
        agent, "BankHeist", lam=4, episodes=1, protocol=replace(SHORT, grad_samples=None)
    )
    attacked = found.row("original", 4.0, "own")
    assert attacked is not None
    assert (attacked.grad_samples, attacked.defense, attacked.sampler) == (10, "sap-100", "exact/2")
    assert attacked.self_flip_rate


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lam": -1}, "lambda must be a number of at least 0 pixel units, got -1"),
        ({"lam": float("nan")}, "got nan"),
        ({"lam": float("inf")}, "got inf"),
        ({"lam": []}, "at least one lambda"),
        ({"lam": [1, 1]}, "given twice: 1, 1"),
        ({"episodes": 0}, "episodes must be at least 1, got 0"),
        ({"num_envs": 0}, "num_envs must be at least 1, got 0"),
        ({"attack": "fsgm"}, "unknown attack 'fsgm'; choose from fgsm"),
        ({"defense": "spa-100"}, "unknown defense 'spa-100'; choose from swp-K, sap-K"),
        ({"victims": ()}, "victims must be different and at least one"),
        ({"attack_options": {"steps": 3}}, "'fgsm' has no option 'steps'"),
        ({"lam": 0.5, "protocol": Protocol(observation="uint8")}, "lambda 0.5 changes no uint8"),
    ],
)
def test_bad_input_is_refused_in_one_line(options: dict[str, Any], message: str) -> None:
    settings = {"game": "BankHeist", "defense": "sap-100"} | options
    lam = settings.pop("lam", 4)
    lams = tuple(lam) if isinstance(lam, list) else (lam,)
    with pytest.raises(UsageError) as caught:
        Settings(lams=lams, **settings)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_actions_of_another_game_are_refused() -> None:
    with pytest.raises(UsageError, match="has 6 actions but BankHeist has 18"):
        evaluate(load_agent(nature_network(6)), "BankHeist", lam=4)


def test_results_agree_for_any_number_of_environments_where_nothing_is_random() -> None:
    """Batch size may change float rounding in the network, never who plays what."""
    returns = [run(lam=0, controls=False, defense=None, num_envs=n).rows[0].returns for n in (1, 3)]
    assert np.allclose(returns[0], returns[1], atol=50)
    assert len(returns[0]) == len(returns[1]) == 3


def test_arms_side_by_side_are_the_arms_one_after_the_other(evaluation: Evaluation) -> None:
    """Of the same seed, played a second time: equal bit for bit."""
    torch.set_num_threads(3)
    try:
        mingled = run()
    finally:
        torch.set_num_threads(1)
    assert played(mingled) == played(evaluation)
    assert mingled.complete


def test_abandoned_arms_side_by_side_are_rows_in_their_order() -> None:
    settings = Settings(
        "BankHeist", (4.0,), defense="sap-100", episodes=3, num_envs=2, protocol=SHORT
    )
    torch.set_num_threads(3)
    try:
        run = EvaluationRun(load_agent("BankHeist"), settings)
        for event in run.play():
            if isinstance(event, ArmPlayed) and len(run._open) > 1:
                break
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(1)
    found = run.result()
    names = [(r.arm, r.lam, r.victim) for r in found.rows]
    assert len(names) > 1
    assert names == [w for arm in run.arms if (w := (arm.name, arm.lam, arm.victim)) in names]
    assert not found.complete


class Remembering(nn.Module):
    """Keeps values on itself between its layers, and finds out if another pass came between."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.inside = 0

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        self.inside += 1
        time.sleep(0.002)  # an invitation to other threads
        assert self.inside == 1, "two passes at once"
        values: torch.Tensor = self.network(obs)
        self.inside = 0
        return values


def test_a_network_that_remembers_is_safe_from_the_arm_beside_it() -> None:
    agent = load_agent(Remembering(nature_network(18)))
    torch.set_num_threads(3)
    try:
        found = evaluate(
            agent, "BankHeist", lam=[1, 4], episodes=1, controls=False,
            protocol=replace(SHORT, max_frames=120),
        )  # fmt: skip
    finally:
        torch.set_num_threads(1)
    assert found.complete


def test_another_agents_gradient_a_backward_mode_and_a_schedule_from_python() -> None:
    lender = load_agent(nature_network(18))
    found = evaluate(
        "BankHeist", "BankHeist", lam=4, defense="sap-100", victims=("own", "other"),
        other=lender, attack_backward="identity", schedule="rate-0.25",
        episodes=1, controls=False, protocol=SHORT,
    )  # fmt: skip
    own, other = found.row("defended", 4.0, "own"), found.row("defended", 4.0, "other")
    assert own is not None
    assert other is not None
    assert own.backward == "identity"
    assert 0 < (own.struck or 0) < 1
    assert found.settings.schedule == Schedule("rate", 0.25, temperature=1.0)
    assert (found.agent.other, found.agent.other_sha256) == (lender.name, lender.sha256)
    with pytest.raises(UsageError, match="victim 'other' needs another agent"):
        evaluate("BankHeist", "BankHeist", lam=4, defense="sap-100", victims=("other",))
