"""A run's curve read back."""

from __future__ import annotations

from pathlib import Path

from sap_rl.training.curve import COLUMNS, CURVE, learning_curve


def test_training_and_evaluations_come_apart(tmp_path: Path) -> None:
    lines = [
        ",".join(COLUMNS),
        "100,1,0.5,3,12.50,0.01,,",
        "200,2,0.9,,,,eval-0,40.00",
        "200,2,1.0,,,,eval-0.25,30.00",
        "300,3,1.5,4,13.00,0.01,,",
        "300,3,1.6,,,,resume,",
        "400,4,2.0,,,,eval-0,50.00",
        "50",
    ]
    (tmp_path / CURVE).write_text("\n".join(lines), encoding="utf-8")
    curve = learning_curve(tmp_path)
    assert curve is not None
    assert curve.training == ((100, 12.5), (300, 13.0))
    assert curve.evaluated == {"0": ((200, 40.0), (400, 50.0)), "0.25": ((200, 30.0),)}


def test_no_curve_is_none(tmp_path: Path) -> None:
    assert learning_curve(tmp_path) is None
    (tmp_path / CURVE).write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
    assert learning_curve(tmp_path) is None
