"""Words that training settings take; loads no torch."""

from __future__ import annotations

from typing import Literal

Network = Literal["nature", "dueling", "quantile"]
Target = Literal["dqn", "double"]
"""The value that an update moves towards."""
Distance = Literal["policy", "value", "margin"]
"""Between a student's outputs and its teacher's."""
Precision = Literal["auto", "float32", "bfloat16"]
"""The precision of a training's passes; auto is bfloat16 where the hardware has it."""
