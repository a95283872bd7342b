"""Every format: its own values, its own frames, its questions; under one contract."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sap_rl import LOADERS, Preprocess, UsageError, load_agent
from sap_rl.agents import read_checkpoint
from sap_rl.networks.reading.request import Request
from sap_rl.networks.recognition import formats
from tests.networks.foreign import (
    ATARI_AGENTS,
    FOREIGN,
    PFRL,
    QR,
    SUPPORT,
    Foreign,
    mean_of_atoms,
    native_folder,
    random_frames,
    shapes,
)  # fmt: skip


@pytest.fixture(params=FOREIGN)
def foreign(request: pytest.FixtureRequest) -> Foreign:
    return FOREIGN[request.param]


def refused(*args: object, **options: object) -> str:
    with pytest.raises(UsageError) as refusal:
        load_agent(*args, **options)  # type: ignore[arg-type]
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_every_loader_is_tested_here() -> None:
    assert {foreign.format for foreign in FOREIGN.values()} | {"native"} == set(LOADERS)


def test_values_are_the_formats_own(foreign: Foreign, tmp_path: Path) -> None:
    agent = load_agent(foreign.write(tmp_path), **foreign.options)
    pixels = random_frames(foreign.sees)
    expected = foreign.values(foreign.state, torch.from_numpy(pixels).float())
    found = agent.q_values(pixels)
    assert agent.preprocess == foreign.sees
    assert agent.scores == foreign.scores
    assert agent.num_actions == expected.shape[1]
    assert agent.facts["format"] == foreign.format
    assert float(expected.std()) > 0.05  # frames matter
    # 2e-5 of the largest: sums in another order, e.g. the quantiles' mean and 255 * (x / 255).
    tolerance = 2e-5 * float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)
    assert agent.act(pixels).tolist() == expected.argmax(1).tolist()


def test_our_own_format_too(tmp_path: Path) -> None:
    folder, values = native_folder(tmp_path)
    pixels = random_frames(Preprocess())
    expected = values({}, torch.from_numpy(pixels).float()).detach()
    assert torch.equal(load_agent(folder).q_values(pixels), expected)


def test_gradients_reach_the_pixels_as_the_formats_own(foreign: Foreign, tmp_path: Path) -> None:
    """In units of 1/255 the same direction and size: the budget stays in pixels."""
    agent = load_agent(foreign.write(tmp_path), **foreign.options)
    pixels = torch.from_numpy(random_frames(foreign.sees, 2)).float()
    theirs, ours = pixels.clone().requires_grad_(), (pixels / 255).requires_grad_()
    foreign.values(foreign.state, theirs)[:, 1].sum().backward()
    (gradient,) = torch.autograd.grad(agent.module(ours)[:, 1].sum(), ours)
    assert theirs.grad is not None
    # 1e-3 of the largest: float32 sums over 3136 features in another order.
    tolerance = 1e-3 * float(theirs.grad.abs().max())
    torch.testing.assert_close(gradient / 255, theirs.grad, rtol=0, atol=tolerance)


def test_recognised_or_asked_about(foreign: Foreign, tmp_path: Path) -> None:
    path = foreign.write(tmp_path)
    if foreign.alone:
        assert read_checkpoint(path).facts["format"] == foreign.format
    else:
        message = refused(path)
        assert "?" in message
        assert "Say " in message
        assert str(path) in message


@pytest.mark.parametrize("name", LOADERS)
def test_contract(name: str, tmp_path: Path) -> None:
    """What every loader returns."""
    if name == "native":
        path, options = native_folder(tmp_path)[0], Request()
    else:
        foreign = next(foreign for foreign in FOREIGN.values() if foreign.format == name)
        path = foreign.write(tmp_path)
        options = Request(foreign.options.get("game"), foreign.options.get("preprocess", {}))
    state = torch.random.get_rng_state()
    checkpoint = LOADERS[name](path, options)
    assert torch.equal(torch.random.get_rng_state(), state), "loading draws no random numbers"
    assert isinstance(checkpoint.module, nn.Module)
    assert not checkpoint.module.training
    for parameter in checkpoint.module.parameters():
        assert parameter.dtype == torch.float32
        assert parameter.device.type == "cpu"
        assert parameter.requires_grad
    assert checkpoint.sha256 is not None
    assert len(checkpoint.sha256) == 64
    agent = load_agent(path, format=name, game=options.game, preprocess=options.preprocess)
    agent.defend("sap-100", seed=0).q_values(random_frames(agent.preprocess, 2))
    agent.in_precision("bfloat16").q_values(random_frames(agent.preprocess, 2))


@pytest.mark.parametrize("name", formats())
def test_another_formats_file_is_refused(name: str, tmp_path: Path) -> None:
    other = FOREIGN["pfrl" if name != "pfrl" else "sb3"].write(tmp_path)
    message = refused(other, format=name)
    assert f"not a {formats()[name].title} checkpoint; its tensors are " in message


@pytest.mark.parametrize("nested", ["", "model_state_dict"])
@pytest.mark.parametrize("name", ["sa-dqn", "radial"])
def test_sa_dqns_and_radials_networks_are_one_function(
    name: str, nested: str, tmp_path: Path
) -> None:
    foreign = replace(FOREIGN[name], nested=nested)
    path = foreign.write(tmp_path)
    found = load_agent(path, game="Pong")
    assert found.facts["format"] == ("radial" if nested else "sa-dqn")
    again = load_agent(path, game="Pong", format="radial")
    pixels = random_frames(found.preprocess)
    assert torch.equal(found.q_values(pixels), again.q_values(pixels))
    assert found.preprocess == again.preprocess


def test_questions_name_the_answers(tmp_path: Path) -> None:
    for name, words in {
        "cleanrl": ["CleanRL dqn_atari and CROP", "format='cleanrl'", "--format crop"],
        "crop, bare": ["and so does any nn.Sequential", "--format crop", "load_agent(module"],
        "sa-dqn, plain": ["and so does any nn.Sequential", "--format sa-dqn"],
        "tianshou, raw": ["0..1 (scale_obs=True)", "raw pixels 0..255", "--preprocess scale="],
        "sa-dqn": ["which part of the screen", "BankHeist, Freeway, Pong", "--game", "crop="],
        "radial, version 1": ["which part of the screen", "crop=34,0,160,160"],
    }.items():
        message = refused(FOREIGN[name].write(tmp_path))
        for word in words:
            assert word in message, (name, message)
    assert "how many actions do its 300 outputs belong to?" in refused(
        replace(FOREIGN["sb3-qrdqn"]).write(tmp_path)
    )


def test_answers_in_other_words(tmp_path: Path) -> None:
    """A crop in place of a game, actions in place of a game, a whole Preprocess in place of all."""
    square = FOREIGN["sa-dqn"].write(tmp_path)
    by_crop = load_agent(square, preprocess={"crop": (31, -4, 168, 168)})
    assert by_crop.preprocess == FOREIGN["sa-dqn"].sees
    assert by_crop.game is None
    quantiles = FOREIGN["sb3-qrdqn"]
    agent = load_agent(quantiles.write(tmp_path), preprocess={"first_actions": 6})
    assert agent.num_actions == 6
    message = refused(quantiles.write(tmp_path), preprocess={"first_actions": 7})
    assert "300 outputs are no quantiles of 7 actions" in message
    whole = Preprocess(scale="pixels")
    raw = load_agent(FOREIGN["tianshou, raw"].write(tmp_path), preprocess=whole)
    assert raw.preprocess == whole


def test_preprocessing_must_fit_the_network(tmp_path: Path) -> None:
    path = FOREIGN["sb3"].write(tmp_path)
    assert "the network sees 4 frames, preprocess says 1" in refused(path, preprocess={"frames": 1})
    assert "size mismatch for dense.weight" in refused(path, preprocess={"height": 120})
    assert "at least 36x36" in refused(path, preprocess={"height": 20})
    assert "unknown preprocess entry 'colour'" in refused(path, preprocess={"colour": True})
    assert "goes with a module" in refused(path, preprocess=torch.sigmoid)


def test_other_heads_of_pfrl(tmp_path: Path) -> None:
    plain = FOREIGN["pfrl"]
    pixels = random_frames(plain.sees)
    obs = torch.from_numpy(pixels).float()
    for bias, name in ((torch.tensor([0.75]), "2.bias"), (None, None)):
        state = {key: value for key, value in plain.state.items() if key != "1.bias"}
        expected = plain.values(state, obs) + (0 if bias is None else bias)
        if name is not None and bias is not None:
            state[name] = bias
        found = load_agent(plain.write(tmp_path, state)).q_values(pixels)
        # 2e-5: a bias added before or after the sum.
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)
    message = refused(plain.write(tmp_path, state | {"2.bias": torch.zeros(2)}))
    assert "'2.bias' is not one number but 2" in message


def test_the_collections_c51(tmp_path: Path) -> None:
    support = torch.linspace(-10, 10, 51)
    foreign = replace(
        FOREIGN["atari-agents"],
        layers=shapes(ATARI_AGENTS, 6 * 51),
        values=mean_of_atoms(ATARI_AGENTS, SUPPORT),
    )
    state = foreign.state | {SUPPORT: support}
    agent = load_agent(foreign.write(tmp_path, state))
    pixels = random_frames(foreign.sees)
    expected = foreign.values(state, torch.from_numpy(pixels).float())
    # 2e-5: softmax and a sum over atoms of size 10.
    torch.testing.assert_close(agent.q_values(pixels), expected, rtol=0, atol=2e-5)
    assert agent.num_actions == 6
    wrong = foreign.state | {SUPPORT: torch.linspace(-10, 10, 50)}
    assert "categorical network's weights" in refused(foreign.write(tmp_path, wrong))


def test_a_stable_baselines3_head_of_its_own_is_refused(tmp_path: Path) -> None:
    foreign = FOREIGN["sb3"]
    more = foreign.state | {"q_net.q_net.2.weight": torch.zeros(6, 6)}
    assert "not the plain CnnPolicy" in refused(foreign.write(tmp_path, more))
    assert QR[4] == "quantile_net.quantile_net.0"
    assert PFRL[4] == "1"


def test_safetensors_of_any_format(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    foreign = FOREIGN["sb3"]
    save_file(foreign.state, tmp_path / "theirs.safetensors")
    agent = load_agent(tmp_path / "theirs.safetensors")
    pixels = random_frames(foreign.sees)
    assert torch.equal(agent.q_values(pixels), load_agent(foreign.write(tmp_path)).q_values(pixels))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(dtype: torch.dtype, tmp_path: Path) -> None:
    foreign = FOREIGN["pfrl"]
    rounded: dict[str, Tensor] = {k: v.to(dtype) for k, v in foreign.state.items()}
    agent = load_agent(foreign.write(tmp_path, rounded))
    pixels = random_frames(foreign.sees)
    expected = foreign.values(
        {k: v.float() for k, v in rounded.items()}, torch.from_numpy(pixels).float()
    )
    # 2e-5: sums in another order.
    torch.testing.assert_close(agent.q_values(pixels), expected, rtol=0, atol=2e-5)


GOLDEN: dict[str, list[float]] = {
    "sb3": [0.305429, -0.196587, -0.882105],
    "sb3-qrdqn": [-0.0579419, 0.0245401, -0.105871],
    "cleanrl": [0.305429, -0.196587, -0.882105],
    "cleanrl, early": [0.305429, -0.196587, -0.882105],
    "crop": [0.381904, -0.380835, -0.905106],
    "crop, bare": [0.305429, -0.196587, -0.882105],
    "tianshou, raw": [-59.1925, -92.8899, -223.965],
    "tianshou, unit": [0.305429, -0.196587, -0.882105],
    "tianshou, scale_obs": [0.305429, -0.196587, -0.882105],
    "sa-dqn": [-0.232294, -0.474468, 0.31931],
    "sa-dqn, plain": [1.47993, -0.25629, 0.522027],
    "radial": [-0.912432, -0.538578, 0.00594435],
    "radial, version 1": [1.55806, -1.32043, -0.141734],
    "paad": [0.305429, -0.196587, -0.882105],
    "paad, dueling": [0.540343, 0.282757, -1.12065],
    "pfrl": [0.305429, -0.196587, -0.882105],
    "atari-agents": [0.305429, -0.196587, -0.882105],
    "sb3-actor": [0.305429, -0.196587, -0.882105],
    "sb3-actor, before 2.0": [0.305429, -0.196587, -0.882105],
    "cleanrl-ppo": [0.305429, -0.196587, -0.882105],
    "cleanrl-c51": [0.98997, -0.235554, 0.422049],
    "tianshou-c51": [0.98997, -0.235554, 0.422049],
    "tianshou-actor": [-59.1925, -92.8897, -223.965],
    "tianshou-actor, scale_obs": [0.305429, -0.196587, -0.882105],
}


def test_golden_values(tmp_path: Path) -> None:
    """If this changes, checkpoints are played otherwise: say so in CHANGELOG under [results]."""
    found = {}
    for name, foreign in FOREIGN.items():
        agent = load_agent(foreign.write(tmp_path), **foreign.options)
        found[name] = agent.q_values(random_frames(foreign.sees, 1))[0, :3].tolist()
    assert set(found) == set(GOLDEN)
    for name, values in found.items():
        # 1e-4 of the largest: other CPUs add in another order.
        tolerance = 1e-4 * max(map(abs, GOLDEN[name]))
        np.testing.assert_allclose(values, GOLDEN[name], rtol=0, atol=tolerance, err_msg=name)
