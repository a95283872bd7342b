"""The budget, the rounding, and the referee against planted cheats."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from sap_rl import Adversary, Threat, ThreatViolation, UsageError
from sap_rl.attacks import require_norm
from sap_rl.attacks.schedule import EVERY, Schedule

NEVER = torch.zeros(2, dtype=torch.bool)


def values(obs: Tensor) -> Tensor:
    """Action values of no interest."""
    return obs.flatten(1)[:, :2]


def run(cheat: Callable[[Tensor], Tensor], threat: Threat, pixels: Tensor) -> Tensor:
    """Frames as delivered after an attack that does `cheat` to unit frames."""

    def attack(
        q: Any, obs: Tensor, threat: Threat, /, *, generator: Any, label: Any = None
    ) -> Tensor:
        return cheat(obs)

    return Adversary(values, attack, threat, 0).perturb(pixels, NEVER).pixels


@pytest.fixture
def grey() -> Tensor:
    return torch.full((2, 4, 5, 5), 100, dtype=torch.uint8)


def set_pixel(value: float) -> Callable[[Tensor], Tensor]:
    def cheat(obs: Tensor) -> Tensor:
        adv = obs.clone()
        adv[1, -1, 2, 3] = value / 255
        return adv

    return cheat


CHEATS: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "one pixel too far": (set_pixel(105.5), r"distance 5(\.5)? exceeds lambda 4"),
    "one pixel too far down": (set_pixel(93.5), r"distance 6(\.5)? exceeds lambda 4"),
    "all too far": (lambda obs: obs + 50 / 255, "distance 50 exceeds lambda 4"),
    "nan": (set_pixel(math.nan), "1 pixels that are not finite"),
    "infinite": (set_pixel(-math.inf), "1 pixels that are not finite"),
    "below black": (set_pixel(-3), r"reach -3\.\.100, outside 0\.\.255"),
    "above white": (set_pixel(258), r"reach 100\.\.258, outside 0\.\.255"),
    "other dtype": (lambda obs: obs.double(), r"torch.float64 \[2, 4, 5, 5\], not torch.float32"),
    "half precision": (lambda obs: obs.half(), "torch.float16"),
    "other shape": (lambda obs: obs[:1], r"\[1, 4, 5, 5\], not torch.float32 \[2, 4, 5, 5\]"),
}


@pytest.mark.parametrize("frames", ["all", "newest"])
@pytest.mark.parametrize("observation", ["float", "uint8"])
@pytest.mark.parametrize("cheat", CHEATS)
def test_cheats_are_caught_with_their_number(
    cheat: str, observation: Any, frames: Any, grey: Tensor
) -> None:
    tamper, message = CHEATS[cheat]
    with pytest.raises(ThreatViolation, match=message):
        run(tamper, Threat(4, frames, observation), grey)


@pytest.mark.parametrize("schedule", [EVERY, Schedule("rate", 1.0)])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda obs: obs.numpy(), "gave a ndarray, no tensor"),
        (lambda obs: None, "gave a NoneType, no tensor"),
        (lambda obs: obs.double(), "gave torch.float64"),
        (lambda obs: obs[:, :1], r"gave torch.float32 \[2, 1, 5, 5\]"),
        (lambda obs: obs[0], r"gave torch.float32 \[4, 5, 5\]"),
        (lambda obs: obs.to("meta"), "gave frames on meta, not on cpu"),
    ],
)
def test_what_is_no_frames_is_a_violation_under_any_schedule(
    wrong: Any, message: str, schedule: Schedule, grey: Tensor
) -> None:
    adversary = Adversary(values, lambda q, obs, *_, **__: wrong(obs), Threat(4), 0, schedule)
    with pytest.raises(ThreatViolation, match=message):
        adversary.perturb(grey, NEVER)


def test_the_referee_judges_by_a_copy_of_its_own(grey: Tensor) -> None:
    threat = Threat(4)

    def greedy(q: Any, obs: Tensor, threat: Threat, /, **_: Any) -> Tensor:
        object.__setattr__(threat, "lam", 255.0)
        object.__setattr__(threat, "frames", "all")
        return obs + 50 / 255

    with pytest.raises(ThreatViolation, match="distance 50 exceeds lambda 4"):
        Adversary(values, greedy, threat, 0).perturb(grey, NEVER)


@pytest.mark.parametrize("pixel", [254, 1])
def test_out_of_range_is_caught_within_the_budget(pixel: int, grey: Tensor) -> None:
    """2 pixels beyond white are within lambda 4 and would vanish in a clamp."""
    grey[:] = pixel
    beyond = set_pixel(257 if pixel > 100 else -2)
    for observation in ("float", "uint8"):
        with pytest.raises(ThreatViolation, match=r"outside 0\.\.255"):
            run(beyond, Threat(4, observation=observation), grey)  # type: ignore[arg-type]


@pytest.mark.parametrize("observation", ["float", "uint8"])
def test_an_older_frame_is_not_the_camera_attackers(observation: Any, grey: Tensor) -> None:
    def cheat(obs: Tensor) -> Tensor:
        adv = obs.clone()
        adv[0, 2, 1, 1] += 2 / 255
        return adv

    with pytest.raises(ThreatViolation, match="an older frame changed by 2"):
        run(cheat, Threat(4, "newest", observation), grey)
    run(cheat, Threat(4, "all", observation), grey)


def test_the_referee_allows_float_rounding_only(grey: Tensor) -> None:
    threat = Threat(4)
    run(lambda obs: obs + 4.0005 / 255, threat, grey)
    with pytest.raises(ThreatViolation, match=r"distance 4.002 exceeds lambda 4"):
        run(lambda obs: obs + 4.002 / 255, threat, grey)
    with pytest.raises(ThreatViolation):
        run(lambda obs: obs + 0.002 / 255, Threat(0), grey)


def test_check_judges_what_the_agent_receives(grey: Tensor) -> None:
    threat = Threat(4)
    received = grey.float()
    received[1, 0, 0, 0] += 3
    linf, mean = threat.check(received, grey, grey)
    assert linf.tolist() == [0.0, 3.0]
    assert mean.tolist() == [0.0, pytest.approx(3 / grey[1].numel())]
    for broken, message in (
        (grey, "frames are torch.uint8, the threat model says torch.float32"),
        (received / 0, "200 pixels are not finite"),
        (received + 200, r"pixels reach 300..303, outside 0..255"),
        (received - 101, r"pixels reach -1..2, outside 0..255"),
        (received + 2, "distance 5 exceeds lambda 4"),
    ):
        with pytest.raises(ThreatViolation, match=message):
            threat.check(broken, grey, grey)
    with pytest.raises(ThreatViolation, match=r"frames are torch\.float32"):
        Threat(4, observation="uint8").check(received, grey, grey)


def test_one_frame_can_be_the_newest() -> None:
    pixels = torch.full((2, 1, 5, 5), 100, dtype=torch.uint8)
    adv = run(lambda obs: obs + 2 / 255, Threat(2, "newest", "uint8"), pixels)
    assert torch.equal(adv, pixels + 2)


ALL_PIXELS = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(2, 4, 16, 16)


@pytest.mark.parametrize(
    ("lam", "whole"), [(1, 1), (1.5, 1), (2, 2), (3.9995, 3), (4, 4), (4.4, 4), (8, 8), (255, 255)]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_uint8_rounds_towards_the_clean_frame(lam: float, whole: int, sign: int) -> None:
    threat = Threat(lam, observation="uint8")
    received = run(
        lambda obs: threat.project(obs + sign * threat.eps, obs), threat, ALL_PIXELS.clone()
    )
    expected = (ALL_PIXELS.int() + sign * whole).clamp(0, 255)
    assert received.dtype == torch.uint8
    assert torch.equal(received.int(), expected)


def test_uint8_never_moves_a_pixel_further_than_asked() -> None:
    threat = Threat(6.5, observation="uint8")
    asked = torch.empty(ALL_PIXELS.shape).uniform_(
        -6.5, 6.5, generator=torch.Generator().manual_seed(5)
    )
    received = run(lambda obs: (obs + asked / 255).clamp(0, 1), threat, ALL_PIXELS.clone())
    moved = received.float() - ALL_PIXELS.float()
    inner = (ALL_PIXELS > 6) & (ALL_PIXELS < 249)
    near = asked - asked.round()
    plain = inner & (near.abs() > 0.002)  # within 0.001 of a whole pixel, the whole one is meant
    assert torch.equal(moved[plain], asked[plain].trunc())
    assert float((moved.abs() - asked.abs()).max()) < 0.001


def test_steps_of_whole_pixels_stay_whole() -> None:
    """After a step of 1 inside lambda 1.5 float rounding may leave 0.99999; that is 1."""
    threat = Threat(1.5, observation="uint8")
    received = run(lambda obs: (obs - 1 / 255).clamp(0, 1), threat, ALL_PIXELS.clone())
    assert torch.equal(received.int(), (ALL_PIXELS.int() - 1).clamp(0, 255))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_untouched_pixels_stay_bit_for_bit(dtype: torch.dtype) -> None:
    pixels = ALL_PIXELS.to(dtype)
    if dtype == torch.float32:
        pixels = (pixels * 0.98 + 0.123).contiguous()
    adv = run(set_pixel(float(pixels[1, -1, 2, 3]) + 1), Threat(2), pixels)
    changed = (adv != pixels.float()).nonzero().tolist()
    assert changed == [[1, 3, 2, 3]]


@pytest.mark.parametrize(
    ("lam", "options", "message"),
    [
        (-1, {}, "lambda must be a number of at least 0 pixel units, got -1"),
        (math.nan, {}, "lambda must be a number of at least 0 pixel units, got nan"),
        (math.inf, {}, "lambda must be a number of at least 0 pixel units, got inf"),
        (0.5, {"observation": "uint8"}, "lambda 0.5 changes no uint8 pixel; use at least 1, or "
         'observation="float"'),
    ],
)  # fmt: skip
def test_budgets_refused(lam: float, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        Threat(lam, **options)
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("field", ["frames", "observation"])
def test_choices_refused(field: str) -> None:
    threat = Threat(4)
    object.__setattr__(threat, field, "newer")  # past the annotations, which tests check first
    with pytest.raises(UsageError, match=f"unknown {field} 'newer'; choose from \\w+, \\w+$"):
        threat.__post_init__()


def test_budgets_accepted() -> None:
    assert Threat(0, observation="uint8").eps == 0
    assert Threat(0.5).eps == 0.5 / 255
    assert Threat(1, observation="uint8").lam == 1


L2 = Threat(4, norm="l2")


def test_l2_bounds_the_root_mean_square(grey: Tensor) -> None:
    """100 pixels: one may move by 40, or all by 4, or 25 by 8."""
    clean = grey.float()[:1]
    obs = clean / 255
    far = obs.clone()
    far[0, 0, 0, 0] += 60 / 255
    moved = (L2.project(far, obs) - obs)[0] * 255
    assert float(moved[0, 0, 0]) == pytest.approx(40, abs=1e-3)
    assert int(moved.count_nonzero()) == 1
    quarter = obs.clone()
    quarter[0, 0] += 8 / 255
    torch.testing.assert_close(L2.project(quarter, obs), quarter)
    received = run(lambda _: quarter.repeat(2, 1, 1, 1), L2, grey)[:1]
    distance = L2.check(received, clean, clean)
    assert float(distance.linf) == pytest.approx(8)
    assert float(distance.mean) == pytest.approx(2)


@pytest.mark.parametrize("frames", ["all", "newest"])
def test_more_than_the_l2_budget_is_caught(frames: Any, grey: Tensor) -> None:
    threat = Threat(4, frames, norm="l2")
    pixels = 25 if frames == "newest" else 100

    def spends(share: float) -> Callable[[Tensor], Tensor]:
        return set_pixel(100 + round(4 * (share * pixels) ** 0.5))

    assert int(run(spends(1.0), threat, grey)[1].float().sub(100).count_nonzero()) == 1
    with pytest.raises(ThreatViolation, match=r"distance .* exceeds lambda 4"):
        run(spends(1.2), threat, grey)


def test_the_steepest_step_rises_most_of_its_size() -> None:
    gradient = torch.randn(3, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    gradient[2] = 0
    for norm, size in (("linf", 1.0), ("l2", 10.0)):
        step = Threat(4, norm=norm).steepest(gradient)  # type: ignore[arg-type]
        order = 2 if norm == "l2" else math.inf
        sizes = torch.linalg.vector_norm(step.flatten(1), order, dim=1)
        torch.testing.assert_close(sizes, torch.tensor([size, size, 0.0]))
        dual = torch.linalg.vector_norm(gradient.flatten(1), 2 if norm == "l2" else 1, dim=1)
        torch.testing.assert_close((step * gradient).flatten(1).sum(1), size * dual)
    newest = Threat(4, "newest", norm="l2").steepest(gradient)
    assert not newest[:, :-1].any()
    assert float(newest[0, -1].square().mean()) == pytest.approx(1)


def test_random_points_fill_the_l2_ball(grey: Tensor) -> None:
    """In two dimensions half of a disc's points lie beyond 0.707 of its radius."""
    obs = torch.full((4000, 1, 1, 2), 0.5)
    moved = L2.random_point(obs, torch.Generator().manual_seed(0)) - obs
    radius = moved.flatten(1).square().mean(1).sqrt() * 255 / 4
    assert float(radius.max()) <= 1 + 1e-5
    assert float(radius.median()) == pytest.approx(0.5**0.5, abs=0.02)
    assert moved.mean((0, 1, 2)).abs().max() * 255 < 0.2
    assert torch.equal(Threat(0, norm="l2").project(obs + 1, obs), obs)


def test_an_attack_that_knows_no_l2_is_refused_with_those_that_do() -> None:
    with pytest.raises(UsageError, match=r"'apgd' knows no norm l2; these do: .*fgsm.*pgd"):
        require_norm("apgd", "l2")
    with pytest.raises(UsageError, match=r"uint8 frames would lose: use observation=.float"):
        Threat(4, observation="uint8", norm="l2")
