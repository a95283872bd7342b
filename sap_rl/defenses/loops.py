"""The compiled loops behind `kernel`; their law is explained in `sampling.exact`.

Random numbers are counted, not carried along: the i-th non-zero unit of row b has its own, from the
stream's key, b and i. So the draws depend neither on the number of threads nor on how rows are
grouped, and loops are free of branches, which lets the compiler use vector instructions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, no_type_check

import llvmlite.ir as ir
import numpy as np
from numba import njit, types
from numba.core.caching import NullCache
from numba.core.dispatcher import Dispatcher
from numba.extending import intrinsic


def _njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """numba's `njit`; the code is kept on disk between runs, where there is a place to write to."""

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return njit(function, nogil=True, cache=True, error_model="numpy", **options)
        except RuntimeError:
            return njit(function, nogil=True, error_model="numpy", **options)

    return decorate


# Sums may be reordered. NaN and infinity keep their meaning, and a division stays one: the
# inverse of a tiny total is infinite.
_compiled = _njit(fastmath={"reassoc", "contract", "nsz"})
_inlined = _njit(inline="always")


def forget() -> None:
    """From now on nothing compiled is kept on disk or read from it."""
    for found in globals().values():
        if isinstance(found, Dispatcher):
            found._cache = NullCache()  # type: ignore[attr-defined]


@no_type_check
def _float_of(_context, _bits):
    """The float32 with these bits."""
    signature = types.float32(types.int32)
    return signature, lambda _c, builder, _s, args: builder.bitcast(args[0], ir.FloatType())


@no_type_check
def _bits_of(_context, _value):
    """The bits of a float32."""
    signature = types.int32(types.float32)
    return signature, lambda _c, builder, _s, args: builder.bitcast(args[0], ir.IntType(32))


_as_float: Any = intrinsic(_float_of)
_as_bits: Any = intrinsic(_bits_of)


@_inlined
@no_type_check
def _mixed(key, count):
    """64 random bits: SplitMix64 (Steele, Lea & Flood 2014) at position `count`."""
    x = np.uint64(key) + np.uint64(count) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@_inlined
@no_type_check
def _uniform(bits):
    """Float32 in (0, 1): the middles of 2^24 steps (rounded to steps above 1/2): what is rarer
    than half a step is never drawn, for its scale would be as large as it is rare."""
    steps = np.float32(np.int32(bits >> np.uint64(40)))
    middle = (steps + np.float32(0.5)) * np.float32(2.0**-24)
    return min(middle, np.float32(1 - 2.0**-24))  # the last was rounded to 1


@_inlined
@no_type_check
def _twice_atanh(s):
    """log((1 + s) / (1 - s)) for |s| < 0.18, by its series: the next term is below 4e-9."""
    z = s * s
    tail = np.float32(1 / 7) + z * np.float32(1 / 9)
    tail = np.float32(1 / 3) + z * (np.float32(1 / 5) + z * tail)
    return np.float32(2.0) * (s + s * z * tail)


@_inlined
@no_type_check
def _minus_log(w):
    """-log(w) for w in (0, 1]: w = 2^e m with m between sqrt(1/2) and sqrt(2)."""
    bits = _as_bits(w)
    exponent = (bits - np.int32(0x3F3504F3)) >> np.int32(23)
    m = _as_float(bits - (exponent << np.int32(23)))
    log_m = _twice_atanh((m - np.float32(1.0)) / (m + np.float32(1.0)))
    return -(log_m + np.float32(exponent) * np.float32(math.log(2)))


@_inlined
@no_type_check
def _minus_log_rest(v):
    """-log(1 - v) for v in (0, 1), to a few roundings even where v is tiny."""
    near = _twice_atanh(v / (np.float32(2.0) - v))
    return near if v < np.float32(0.29) else _minus_log(np.float32(1.0) - v)


@_inlined
@no_type_check
def _keep(p, draws):
    """1 - (1 - p)^r for p in (0, 1), to a few roundings at any p."""
    y = max(-np.float32(draws) * _minus_log_rest(p), np.float32(-87.0))
    # Close to 0 the series of 1 - exp(y); elsewhere exp(y) = 2^n exp(x) with |x| < 0.35.
    series = np.float32(1 / 120) + y * (np.float32(1 / 720) + y * np.float32(1 / 5040))
    series = np.float32(1 / 6) + y * (np.float32(1 / 24) + y * series)
    series = -y * (np.float32(1.0) + y * (np.float32(0.5) + y * series))
    n = np.float32(math.floor(y * np.float32(1 / math.log(2)) + np.float32(0.5)))
    x = (y - n * np.float32(0.693359375)) + n * np.float32(0.693359375 - math.log(2))
    power = np.float32(1 / 120) + x * (np.float32(1 / 720) + x * np.float32(1 / 5040))
    power = np.float32(1 / 6) + x * (np.float32(1 / 24) + x * power)
    power = np.float32(1.0) + x * (np.float32(1.0) + x * (np.float32(0.5) + x * power))
    power *= _as_float((np.int32(n) + np.int32(127)) << np.int32(23))
    return series if y > np.float32(-0.35) else np.float32(1.0) - power


@_compiled
@no_type_check
def total_of(row):
    total = np.float32(0.0)
    for j in range(len(row)):
        total += abs(row[j])
    return total


@_compiled
@no_type_check
def compress(row, place, share):
    """Places and absolute values of the non-zero values; how many."""
    count = 0
    for j in range(len(row)):
        value = abs(row[j])
        place[count] = j
        share[count] = value
        count += value > np.float32(0.0)
    return count


@_compiled
@no_type_check
def scales(share, count, total, draws, factor):
    """Values to shares, in place, and the factor of each if it survives."""
    for i in range(count):
        p = min(max(share[i] / total, np.float32(2.0**-60)), np.float32(1 - 2.0**-24))
        share[i] = p
        factor[i] = np.float32(1.0) / _keep(p, draws)


@_compiled
@no_type_check
def ring(share, count, horizon, key, late):
    """First rings relative to the horizon, negative before it; the mean of the repeats."""
    repeats = np.float32(0.0)
    for i in range(count):
        ring = _minus_log_rest(_uniform(_mixed(key, i))) - share[i] * np.float32(horizon)
        late[i] = ring
        repeats -= min(ring, np.float32(0.0))
    return repeats


@_compiled
@no_type_check
def _flip(factor, count, key, late):
    """Bernoulli draws: negative where a unit is kept."""
    for i in range(count):
        late[i] = _uniform(_mixed(key, i)) * factor[i] - np.float32(1.0)


@_compiled
@no_type_check
def poisson(mean, key, count):
    """A Poisson number from random numbers at `count` and after it; how many were used.

    Transformed rejection (Hoermann, Insurance: Mathematics and Economics 12, 1993); below a
    mean of 10 products of uniforms.
    """
    if mean < 10.0:
        limit, product, number = math.exp(-mean), 1.0, -1
        while product > limit or number < 0:
            product *= _wide(key, count)
            count += 1
            number += 1
        return number, count
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    while True:
        u, v = _wide(key, count) - 0.5, _wide(key, count + 1)
        count += 2
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + mean + 0.43)
        if us >= 0.07 and v <= 0.9277 - 3.6224 / (b - 2):
            return k, count
        if k < 0 or (us < 0.013 and v > us):
            continue
        hat = math.log(v * (1.1239 + 1.1328 / (b - 3.4)) / (a / (us * us) + b))
        if hat <= -mean + k * math.log(mean) - math.lgamma(k + 1.0):
            return k, count


@_inlined
@no_type_check
def _wide(key, count):
    """A float64 in (0, 1)."""
    return (np.float64(_mixed(key, count) >> np.uint64(12)) + 0.5) * 2.0**-52


@_compiled
@no_type_check
def _top_up(late, share, size, missing, key, at):
    """`missing` categorical draws, of which those that hit a new unit make it ring.

    size: of the non-zero units; at: position of the first random number.
    """
    left = np.empty(size + 1, np.float64)
    unit = np.empty(size + 1, np.int32)
    count, mass, whole = 0, 0.0, 0.0
    for i in range(size):
        new = late[i] >= np.float32(0.0)
        whole += np.float64(share[i])
        mass += np.float64(share[i]) * new
        left[count], unit[count] = mass, i
        count += new
    for _ in range(missing):
        point = _wide(key, at) * whole
        at += 1
        if point < mass:
            found = np.searchsorted(left[:count], point, side="right")
            late[unit[found]] = np.float32(-1.0)


@_compiled
@no_type_check
def _survivors(share, factor, size, draws, horizon, key, late):
    """`late` negative for the units that are kept; see `sampling.exact` for the law."""
    if horizon < 0:
        _flip(factor, size, key, late)
        return
    missing = -1
    while missing < 0:
        repeats = np.float64(ring(share, size, horizon, key, late))
        rings = 0
        for i in range(size):
            rings += late[i] < np.float32(0.0)
        number, at = poisson(repeats, key, size)
        missing = draws - rings - number
        if missing >= 0:
            _top_up(late, share, size, missing, key, at)
        key = _mixed(key, np.uint64(2**63))


@_compiled
@no_type_check
def rows(values, out, low, high, draws, horizon, key, pruned):
    """Fill rows low..high of `out` with scales or pruned values; whether all were finite."""
    width = values.shape[1]
    place = np.empty(width + 1, np.int32)
    share = np.empty(width + 1, np.float32)
    factor = np.empty(width + 1, np.float32)
    late = np.empty(width + 1, np.float32)
    for b in range(low, high):
        total = total_of(values[b])
        if not np.isfinite(total):
            return False
        out[b] = np.float32(0.0)
        size = compress(values[b], place, share)
        scales(share, size, total, draws, factor)
        row_key = _mixed(_mixed(key, np.uint64(b) + np.uint64(1)), np.uint64(0))
        _survivors(share, factor, size, draws, horizon, row_key, late)
        for i in range(size):
            value = values[b, place[i]] if pruned else np.float32(1.0)
            kept = late[i] < np.float32(0.0)
            out[b, place[i]] = factor[i] * value if kept else np.float32(0.0)
    return True
