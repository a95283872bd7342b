"""Options that a training and a hardening have in common; each has its own defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from sap_rl.schema import Option

NumEnvs = Annotated[int, Option("games at once", within="count")]
Optimizer = Annotated[Literal["adam", "rmsprop"], Option("rmsprop is centred")]
OptimizerEps = Annotated[float, Option("of the optimizer", within="rate")]
MaxGradNorm = Annotated[float, Option("of the gradient, 0 for any", within="from zero")]
KeepCheckpoints = Annotated[int, Option("checkpoints kept", within="count")]
LogUpdates = Annotated[int, Option("per line of the curve", "updates", within="count")]
EvalEpisodes = Annotated[int, Option("of an evaluation", within="count")]
EvalSeed = Annotated[int, Option("of evaluations")]
