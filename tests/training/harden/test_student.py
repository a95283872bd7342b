"""A hardening's update: a closed form, slices, schedules, and what it must never touch."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from sap_rl import Agent, Preprocess, UsageError, load_agent
from sap_rl.attacks.threat import Threat
from sap_rl.certification.bounds import worst_margins
from sap_rl.pixels import to_unit
from sap_rl.training.harden.data import DistillationBatch
from sap_rl.training.harden.settings import HardenSettings, settled
from sap_rl.training.harden.student import FIRST_SHARE, FLAT_UPDATES, Student
from sap_rl.training.trainee import Diverged
from tests.training.harden.small_harden import SETTINGS, teacher


class Unknown(nn.Module):
    """A network that nobody has bounds for."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, obs: Tensor) -> Tensor:
        found: Tensor = self.inner(obs)
        return found


SIDE = 6
TELLING = 9
"""Pixels of a toy frame that tell what to do; the other 27 are always the same grey."""


def weights(module: nn.Module) -> Tensor:
    return torch.cat([p.detach().float().reshape(-1) for p in module.parameters()])


def lesson_of(agent: Agent, pixels: Tensor) -> DistillationBatch:
    return DistillationBatch(pixels, agent.q_values(pixels))


def random_lesson(agent: Agent, count: int = 8, seed: int = 0) -> DistillationBatch:
    generator = torch.Generator().manual_seed(seed)
    shape = (count, *agent.preprocess.shape)
    return lesson_of(agent, torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator))


def linear_teacher() -> Agent:
    """Q1 - Q0 = 2 s on frames of sign s, and weights on the grey pixels that say nothing."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 2))
    generator = torch.Generator().manual_seed(0)
    weight = 0.3 * torch.randn(SIDE * SIDE, generator=generator)
    weight[:TELLING] = 255 / 64 / TELLING
    grey = torch.full((SIDE * SIDE,), 128 / 255)
    module[1].weight.data = torch.stack([-weight, weight])
    module[1].bias.data = torch.stack([weight @ grey, -weight @ grey])
    sees = Preprocess(frames=1, height=SIDE, width=SIDE)
    return Agent(module, sees, "Linear", num_actions=2)


def layered_teacher() -> Agent:
    """Layers that all have bounds, drawn at random."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nn.Sequential(
            nn.Flatten(), nn.Linear(SIDE * SIDE, 32), nn.ReLU(), nn.Linear(32, 2)
        )
    sees = Preprocess(frames=1, height=SIDE, width=SIDE)
    return Agent(module, sees, "Small", num_actions=2)


def signed_frames() -> Tensor:
    """One frame per sign: the telling pixels 64 above or below the grey."""
    pixels = torch.full((2, 1, SIDE, SIDE), 128, dtype=torch.uint8)
    flat = pixels.view(2, -1)
    flat[0, :TELLING] -= 64
    flat[1, :TELLING] += 64
    return pixels


def worst_over_clean(module: nn.Module, eps: float) -> float:
    """The margin that the worst perturbation leaves over the clean margin, by the closed form."""
    weight = (module[1].weight[1] - module[1].weight[0]).detach()
    values = module(to_unit(signed_frames())).detach()
    margin = (values[1, 1] - values[1, 0]) - (values[0, 1] - values[0, 0])
    return 1 - eps * float(weight.abs().sum()) / (float(margin) / 2)


def test_on_a_linear_q_the_margin_grows_to_what_the_closed_form_allows() -> None:
    """Whoever keeps the clean margin m with frames 64 pixels apart has |w|_1 >= m / (64 / 255), so
    at lambda 16 the worst margin is at most 1 - 16 / 64 of the clean one."""
    agent = linear_teacher()
    settings = HardenSettings(
        lam=16, updates=1000, batch_size=8, clean_size=4, learning_rate=0.01, temperature=0.3,
        precision="float32",
    )  # fmt: skip
    eps, best = 16 / 255, 1 - 16 / 64
    assert worst_over_clean(agent.module, eps) < 0.5
    student = Student(agent, settings, threads=1)
    frames = signed_frames()
    attacked, clean = lesson_of(agent, frames.repeat(4, 1, 1, 1)), lesson_of(agent, frames)
    for _ in range(settings.updates):
        student.update(attacked, clean, settings.updates)
    found = worst_over_clean(student.network, eps)
    assert best - 0.02 < found < best + 1e-4
    assert student.metrics().agreement_clean == 1.0


def test_the_teacher_is_untouched() -> None:
    agent = teacher()
    before = copy.deepcopy(agent.module.state_dict())
    student = Student(agent, SETTINGS, threads=2)
    for seed in range(5):
        student.update(random_lesson(agent, seed=seed), random_lesson(agent, 2, seed + 9), 60)
    assert all(value.equal(before[name]) for name, value in agent.module.state_dict().items())
    assert all(p.grad is None for p in agent.module.parameters())
    assert not weights(student.network).equal(weights(agent.module))
    assert not weights(student.graduate().module).equal(weights(agent.module))


def test_at_lambda_0_it_is_plain_distillation() -> None:
    """A copy stays where it is; a student that knows nothing learns the teacher's actions."""
    agent = teacher()
    plain = replace(SETTINGS, batch_size=16, learning_rate=3e-3, loss="value")
    settings = settled(plain, "values")
    careful = replace(settings, learning_rate=1e-4)
    for plan in (settings, careful):
        object.__setattr__(plan, "lam", 0.0)  # refused where people ask for it
    batch = random_lesson(agent, 16)
    stays = Student(agent, careful, threads=1)
    stays.update(batch, None, 150)
    values = stays.graduate().q_values(batch.pixels)
    assert torch.equal(values.argmax(1), batch.values.argmax(1))
    torch.testing.assert_close(values, batch.values, atol=5e-3, rtol=0)
    learns = Student(teacher(11), settings, threads=1)
    for _ in range(200):
        learns.update(batch, None, 200)
    before = (teacher(11).q_values(batch.pixels) - batch.values).abs().mean()
    after = (learns.graduate().q_values(batch.pixels) - batch.values).abs().mean()
    assert after < before / 5


def test_slices_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads take the step that one takes, where the inner attack draws nothing."""
    monkeypatch.setattr(Student, "worst", lambda _self, obs, *_: (obs + 0.05).clamp(0, 1))
    agent = teacher()
    found = []
    for threads in (1, 2):
        student = Student(agent, SETTINGS, threads=threads)
        for seed in range(3):
            student.update(random_lesson(agent, seed=seed), random_lesson(agent, 3, 50), 60)
        found.append((weights(student.network), student.metrics()))
    torch.testing.assert_close(found[0][0], found[1][0], atol=1e-6, rtol=1e-5)
    assert found[0][1].loss == pytest.approx(found[1][1].loss, rel=1e-4)
    assert found[0][1].agreement_clean == pytest.approx(found[1][1].agreement_clean)


def test_the_inner_attack_raises_the_loss_within_the_ball() -> None:
    agent = teacher()
    student = Student(agent, SETTINGS, threads=1)
    batch = random_lesson(agent, 16)
    obs, threat = to_unit(batch.pixels), Threat(8.0)
    frames = student.worst(obs, batch.values, threat, torch.Generator().manual_seed(0))
    assert float((frames - obs).abs().max()) <= threat.eps + 1e-6
    assert 0 <= float(frames.min()) <= float(frames.max()) <= 1

    def loss_at(x: Tensor) -> float:
        with torch.no_grad():
            return float(student.distance(student.network(x), batch.values).mean())

    noise = 2 * torch.rand(obs.shape, generator=torch.Generator().manual_seed(1)) - 1
    around = loss_at((obs + threat.eps * noise).clamp(0, 1))
    assert loss_at(frames) > 2 * around


def test_the_first_layer_stays_in_float32() -> None:
    """Perturbations of a pixel are below half precision's step at bright pixels."""
    student = Student(load_agent("BankHeist"), HardenSettings(precision="bfloat16"), threads=1)
    kinds = [p.dtype for p in student.online.module.parameters()]
    assert kinds[:2] == [torch.float32] * 2
    assert set(kinds[2:]) == {torch.bfloat16}
    assert {p.dtype for p in student.network.parameters()} == {torch.float32}
    agent = load_agent("BankHeist")
    student.update(random_lesson(agent), random_lesson(agent, 2), 1000)
    for master, used in zip(
        student.network.parameters(), student.online.module.parameters(), strict=True
    ):
        assert master.to(used.dtype).equal(used)


def test_the_rate_is_full_at_first_and_ends_at_nothing() -> None:
    student = Student(teacher(), SETTINGS, threads=1)
    found = []
    for student.updates in (0, FLAT_UPDATES, (FLAT_UPDATES + 1000) // 2, 999, 1000):
        found.append(student.learning_rate(1000) / SETTINGS.learning_rate)
    assert found == pytest.approx([1.0, 1.0, 0.5, 1 / 700, 0.0])
    student.updates = 30
    assert student.learning_rate(60) == SETTINGS.learning_rate, "a short run is flat"


def test_the_budget_grows_over_the_ramp() -> None:
    student = Student(teacher(), replace(SETTINGS, lam_ramp=0.5), threads=1)
    found, bounds = [], []
    for student.updates in (0, FLAT_UPDATES, FLAT_UPDATES + 250, FLAT_UPDATES + 500, 1300):
        found.append(student.ramp(FLAT_UPDATES + 1000))
        bounds.append(student.risen(FLAT_UPDATES + 1000))
    assert found == pytest.approx([FIRST_SHARE, FIRST_SHARE, (1 + FIRST_SHARE) / 2, 1.0, 1.0])
    assert bounds == pytest.approx([0, 0, 0.5, 1, 1])
    plain = Student(teacher(), SETTINGS, threads=1)
    assert plain.ramp(1000) == plain.risen(1000) == 1.0
    student.updates = 15
    assert student.risen(60) == 0.5, "a short run has a ramp too"


def test_bounds_begin_at_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    budgets: list[float] = []

    def spy(module: nn.Module, obs: Tensor, label: Tensor, eps: float) -> Tensor:
        budgets.append(255 * eps)
        return worst_margins(module, obs, label, eps)

    monkeypatch.setattr("sap_rl.training.harden.student.worst_margins", spy)
    agent = linear_teacher()
    settings = replace(SETTINGS, bound_weight=0.5, lam_ramp=0.5)
    student = Student(agent, settings, threads=1)
    for student.updates in (0, FLAT_UPDATES, FLAT_UPDATES + 250, FLAT_UPDATES + 700):
        student.update(lesson_of(agent, signed_frames()), None, FLAT_UPDATES + 1000)
    assert budgets == pytest.approx([0.0, SETTINGS.lam / 2, SETTINGS.lam]), "a look at the start"


def test_their_weight_grows_too() -> None:
    agent = layered_teacher()
    batch = random_lesson(agent)
    student = Student(agent, replace(SETTINGS, bound_weight=0.8), threads=1)

    def loss(risen: float) -> float:
        generator = torch.Generator().manual_seed(0)
        _, facts = student._passes(batch, None, generator, count=8, share=1.0, risen=risen)
        return float(facts[0])

    obs, label = to_unit(batch.pixels), batch.values.argmax(1)
    worst = worst_margins(student.network, obs, label, SETTINGS.lam / 2 / 255).detach()
    others = torch.cat([torch.zeros(8, 1), worst / SETTINGS.temperature], 1)
    bound = float(torch.logsumexp(others, 1).mean())
    assert bound != pytest.approx(loss(0.0))
    assert loss(0.5) == pytest.approx(0.6 * loss(0.0) + 0.4 * bound)


def test_bounds_are_refused_at_once_where_there_are_none() -> None:
    agent = teacher()
    module = Unknown(agent.module)
    with pytest.raises(UsageError, match="bounds are known for a Sequential of layers, not for Un"):
        Student(replace(agent, module=module), replace(SETTINGS, bound_weight=0.5), threads=1)


def test_a_graduate_states_nothing_of_its_parents_score() -> None:
    parent = replace(teacher(), facts={"score": {"mean": 931.0}, "training": {"agent_steps": 5}})
    graduate = Student(parent, SETTINGS, threads=1).graduate()
    assert graduate.facts == {"licence": {"weights": "as its parent's"}}


def test_the_bound_is_part_of_the_loss_where_it_is_asked_for() -> None:
    """On layers where interval arithmetic is loose, only training for it makes it tight."""
    agent = layered_teacher()
    batch = lesson_of(agent, signed_frames())
    label, obs = batch.values.argmax(1), to_unit(batch.pixels)
    found = []
    for weight in (0.0, 0.5):
        settings = HardenSettings(
            lam=16, bound_weight=weight, learning_rate=3e-3, precision="float32"
        )
        student = Student(agent, settings, threads=1)
        for _ in range(150):
            student.update(batch, None, 150)
        found.append(float(worst_margins(student.network, obs, label, 16 / 255).detach().sum()))
    assert found[1] < found[0] - 0.1


def test_what_is_not_finite_is_told() -> None:
    agent = teacher()
    student = Student(agent, SETTINGS, threads=1)
    next(student.network.parameters()).data.fill_(float("nan"))
    with pytest.raises(Diverged, match=r"weight '2\.weight'"):
        student.check()
    student.update(random_lesson(agent), None, 60)
    with pytest.raises(Diverged, match="by update 1"):
        student.metrics()


def shrink(student: Student, share: float) -> None:
    with torch.no_grad():
        for parameter in student.network.parameters():
            parameter.mul_(share if parameter.ndim > 1 else 1.0)


def test_a_student_that_sees_nothing_any_more_is_told() -> None:
    agent = teacher()
    student = Student(agent, SETTINGS, threads=1)
    for update in range(1, 4):
        student.update(random_lesson(agent), random_lesson(agent, 2), 60)
        if update == 1:
            shrink(student, 0.5)
        elif update == 2:
            student.check()  # faint is not dead
            student.metrics()
            shrink(student, 0.0)
    with pytest.raises(Diverged, match="collapsed by update 3: the student gives every frame the"):
        student.check()
    with pytest.raises(Diverged, match=r"try a learning_rate below 0\.001"):
        student.metrics()


def test_the_inner_attack_climbs_away_from_the_teacher_not_from_the_student() -> None:
    """One step from the same random start, by hand."""
    student = Student(teacher(11), SETTINGS, threads=1)
    batch = random_lesson(teacher(5), 6)
    obs, threat = to_unit(batch.pixels), Threat(8.0)
    found = student.worst(obs, batch.values, threat, torch.Generator().manual_seed(4))
    start = threat.random_point(obs, torch.Generator().manual_seed(4)).requires_grad_(True)
    loss = student.distance(student.network(start), batch.values).sum()
    (slope,) = torch.autograd.grad(loss, start)
    wanted = threat.project(start + SETTINGS.inner_size * threat.eps * slope.sign(), obs)
    torch.testing.assert_close(found, wanted.detach())


def test_clean_examples_are_learned_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gradient is that of the mean over both kinds."""
    monkeypatch.setattr(Student, "worst", lambda _self, obs, *_: (obs + 0.05).clamp(0, 1))
    agent = teacher()
    student = Student(teacher(11), replace(SETTINGS, max_grad_norm=0.0), threads=1)
    attacked, clean = random_lesson(agent, 6), random_lesson(agent, 3, 9)
    network = copy.deepcopy(student.network)
    frames = torch.cat([(to_unit(attacked.pixels) + 0.05).clamp(0, 1), to_unit(clean.pixels)])
    target = torch.cat([attacked.values, clean.values])
    loss = student.distance(network(frames), target).mean()
    wanted = torch.autograd.grad(loss, list(network.parameters()))
    student.update(attacked, clean, 60)
    for one, two in zip(student.optimizer.gradients(), wanted, strict=True):
        torch.testing.assert_close(one, two, atol=1e-6, rtol=1e-4)


def test_every_boundary_seed_and_slice_draws_its_own_starts() -> None:
    student = Student(teacher(), SETTINGS, threads=2)
    draws = []
    for seed, number in ((0, 0), (0, 1), (1, 0)):
        student.reseed(seed, number)
        draws += [float(torch.rand(1, generator=part)) for part in student._generators]
    assert len(set(draws)) == 6
