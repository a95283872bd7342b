"""Agents that people have and no loader reads, told by their tensors' names, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable

PASS = "load it where it was trained and pass a module that gives"
CONTINUOUS = (
    "an actor with continuous actions: Atari's are discrete, and only those are played; "
    f"{PASS} logits of discrete ones"
)
RECURRENT = (
    "a recurrent agent (LSTM), whose scores depend on what it saw before: only agents of stacked "
    "frames are played; train one with VecFrameStack, or distil it into one"
)
SB3_POLICY = (
    "a policy of Stable-Baselines3 other than the plain CnnPolicy (MlpPolicy, net_arch or a "
    "features extractor of its own): load it there and pass the model, load_agent(DQN.load(FILE)); "
    "one that sees no stacked frames (RAM, a dict) is not played"
)
KINDS: tuple[tuple[str, str], ...] = (
    (r"(^|[._])(lstm|gru|rnn)|weight_(ih|hh)_l\d", RECURRENT),
    (
        r"(weight|bias)_?(mu|sigma|epsilon)$|\.(mu|sigma)_(w|b|weight|bias)$|noisy",
        f"a network with noisy layers (Rainbow, NoisyNet): {PASS} action values, its noise "
        "switched off (eval())",
    ),
    (
        r"(^|[._])(embed_model|cosine|cos_embed\w*|quantile_embed\w*|tau_embed\w*|iqn\w*|phi|"
        r"propose_model)[._]",
        f"an implicit quantile network (IQN, FQF): {PASS} action values, the mean over its "
        "quantiles at fixed fractions",
    ),
    (
        r"(conv_?seq\w*|feat_convs|res_?block\d*|resnet\d*|resblocks?)[._]",
        f"an IMPALA network (residual blocks): {PASS} action values or logits",
    ),
    (r"(^|[._])(log_?std|actor_log_?std|actor_mean|mu_net|log_std_net)($|[._])", CONTINUOUS),
    (
        r"weight_(g|v|orig|u)$|(^|[._])parametrizations\.",
        "a network with weight_norm or spectral_norm: take it off before saving "
        f"(torch.nn.utils.parametrize.remove_parametrizations), or {PASS} action values",
    ),
    (r"^actor(_target)?\.mu\.", CONTINUOUS),
    (
        r"^(q_net\.q_net|quantile_net\.quantile_net|mlp_extractor|([pv]._)?features_extractor)\.",
        SB3_POLICY,
    ),
)
"""A pattern of the tensors' names, and what has such names."""


def unplayable(names: Iterable[str]) -> str | None:
    """What a network is that no format's loader plays, and what to do; None for any other."""
    known = list(names)
    return next(
        (what for pattern, what in KINDS if any(re.search(pattern, n, re.I) for n in known)), None
    )
