"""Mutations of values, arrays, JSON and bytes, all of them drawn from a `random.Random`."""

from __future__ import annotations

import json
from contextlib import suppress
from random import Random
from typing import Any

import numpy as np

NUMBERS = (
    0, 1, -1, 2, 3, 127, 128, 255, 256, -129, 32768, 65535, 65536, 2**31 - 1, 2**31, -(2**31),
    2**32 - 1, 2**32, 2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1,
)  # fmt: skip
"""Whole numbers at which types or products end."""
FLOATS = (
    0.0, -0.0, 1.0, -1.0, 0.5, 1e-320, 1e-45, 1e38, 1e39, 1e300, 1.7e308, np.inf, -np.inf, np.nan,
)  # fmt: skip
DTYPES = (
    "<f8", ">f8", "<f4", ">f4", "<f2", "<f16", "<i1", "<u1", "<i2", ">i2", "<i4", ">i4", "<i8",
    "<u4", "<u8", ">u8", "|b1", "<c16", "|O", "|S3", "<U2", "|V8", "<M8[s]", "<m8[D]",
)  # fmt: skip
JSON = (
    None, True, False, 0, -1, 1, 3, 3.0, 0.5, 1e308, float("nan"), float("inf"), 2**31, 2**63,
    -(2**63) - 1, 10**30, "", "x", "cd", "kullback-leibler", "\x1b[31m", "é\0", "../../etc", [], {},
    [1], [[]], {"a": 1}, ["x"] * 3,
)  # fmt: skip


def mutate_bytes(random: Random, text: bytes) -> bytes:
    """Change some bytes, or leave out, repeat or add some."""
    out = bytearray(text)
    for _ in range(random.randint(1, 4)):
        if not out:
            break
        begin = random.randrange(len(out))
        size = min(random.choice((1, 1, 2, 4, 8, 64, 1024)), len(out) - begin)
        kind = random.randrange(7)
        if kind == 0:
            out[begin] ^= 1 << random.randrange(8)
        elif kind == 1:
            out[begin : begin + size] = random.randbytes(size)
        elif kind == 2:
            del out[begin : begin + size]
        elif kind == 3:
            out[begin:begin] = out[begin : begin + size]
        elif kind == 4:
            del out[begin:]
        elif kind == 5:
            out[begin : begin + size] = random.choice((b"\0", b"\xff")) * size
        else:
            number = random.choice(NUMBERS) % 2**64
            out[begin : begin + 8] = number.to_bytes(8, "little")
    return bytes(out)


def mutate_array(random: Random, array: Any) -> Any:
    """Change values, dtype, length or shape of an array."""
    array = np.array(array)
    kind = random.randrange(8)
    with np.errstate(all="ignore"):
        if kind < 3 and array.size and array.dtype.kind in "biufc":
            pool = FLOATS if array.dtype.kind in "fc" else NUMBERS
            flat = array.reshape(-1)
            for _ in range(random.randint(1, 3)):
                value = np.array(random.choice(pool))
                flat[random.randrange(flat.size)] = value.astype(array.dtype)
        elif kind == 3:
            dtype = np.dtype(random.choice(DTYPES))
            try:
                array = array.astype(dtype)
            except (TypeError, ValueError, OverflowError):
                array = np.zeros(array.shape, dtype)
        elif kind == 4:
            array = array.reshape(-1)[: random.randrange(array.size + 1)]
        elif kind == 5:
            array = np.concatenate([array.reshape(-1)] * random.randint(2, 3))
        elif kind == 6:
            shapes = ((), (1, -1), (-1, 1), (1, 1, -1), (0, 3), (0,), (-1, 2))
            shape = random.choice(shapes)
            if shape in ((), (0, 3), (0,)):
                array = np.zeros(shape, array.dtype)
            elif -1 not in shape or array.size % 2 == 0 or 2 not in shape:
                array = array.reshape(shape)
        elif array.size:
            order = list(range(array.size))
            random.shuffle(order)
            array = array.reshape(-1)[order].reshape(array.shape)
    return array


def mutate_json(random: Random, value: Any, depth: int = 0) -> Any:
    """Replace, leave out or add one value somewhere inside a value of JSON."""
    if isinstance(value, dict) and value and (depth == 0 or random.random() < 0.8):
        value = dict(value)
        key = random.choice(sorted(value))
        kind = random.randrange(8)
        if kind == 0:
            del value[key]
        elif kind == 1:
            value[random.choice(("x", "W_", "__class__", key + "_"))] = random.choice(
                JSON
            )
        else:
            value[key] = mutate_json(random, value[key], depth + 1)
        return value
    if isinstance(value, list) and value and random.random() < 0.8:
        place = random.randrange(len(value))
        changed = mutate_json(random, value[place], depth + 1)
        return [*value[:place], changed, *value[place + 1 :]]
    return random.choice(JSON)


def mutate_json_text(random: Random, text: str) -> str:
    """Mutate a JSON text as its value, or seldom as a text."""
    with suppress(ValueError):  # one that was mutated as a text before
        if random.random() < 0.9:
            return json.dumps(mutate_json(random, json.loads(text)))
    return mutate_bytes(random, text.encode()).decode("utf-8", "replace")
