"""Values of a type as msgpack and back: `unpack(pack(v, t), t) == v`.  Also frames: four bytes of length, then msgpack.

A number that needs more than 64 bits travels as hexadecimal digits; sets are sorted, so equal values are equal bytes.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from checker.core.types import (
    Bag,
    BagOf,
    Enum,
    Id,
    Int,
    Map,
    MapOf,
    Option,
    Rec,
    Record,
    Seq,
    Set,
    Sort,
    Sparse,
    Tuple,
    Type,
    Value,
    children,
    is_vast,
)

ENCODER, DECODER = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder()
LONGEST = 1 << 26  # bytes of a frame


class BadFrame(Exception):
    """What arrived is not a frame of this protocol."""


def pack(v: Value, t: Type) -> Any:
    """A value as what msgpack knows."""
    match t:
        case Option(e):
            return None if v is None else pack(v, e)
        case Int():
            return _number(v)
        case Sort():
            return _number(v.index)
        case Record(_, fields):
            return [pack(x, f) for x, (_, f) in zip(v.values, fields, strict=True)]
        case Tuple(es):
            return [pack(x, e) for x, e in zip(v, es, strict=True)]
        case Seq(e, _):
            return [pack(x, e) for x in v]
        case Set(e, _):
            return sorted((pack(x, e) for x in v), key=repr)
        case MapOf(k, x) if isinstance(v, Sparse):
            return [pack(v.rest, x), sorted([key, pack(val, x)] for key, val in v.items())]
        case MapOf(k, x):
            return sorted(([pack(key, k), pack(val, x)] for key, val in v.items()), key=repr)
        case BagOf(e, _):
            return sorted(([pack(x, e), v[x]] for x in v), key=repr)
    return v


def unpack(d: Any, t: Type) -> Value:
    """The value of type t that was packed."""
    match t:
        case Option(e):
            return None if d is None else unpack(d, e)
        case Int():
            return _number_of(d)
        case Sort(name, _):
            return Id(name, _number_of(d))
        case Record(name, fields):
            return Rec(name, tuple(unpack(x, f) for x, (_, f) in zip(d, fields, strict=True)))
        case Tuple(es):
            return tuple(unpack(x, e) for x, e in zip(d, es, strict=True))
        case Seq(e, _):
            return tuple(unpack(x, e) for x in d)
        case Set(e, _):
            return frozenset(unpack(x, e) for x in d)
        case MapOf(k, x) if is_vast(t):
            return Sparse(unpack(d[0], x), {key: unpack(val, x) for key, val in d[1]})
        case MapOf(k, x):
            return Map((unpack(key, k), unpack(val, x)) for key, val in d)
        case BagOf(e, _):
            return Bag({unpack(x, e): n for x, n in d})
    return d


def shape(t: Type) -> str:
    """What is written of a type, whatever its sizes are: values of types of one shape can be read as one another's."""
    match t:
        case Record(name, fields):
            return f"{name}({', '.join(f'{n}: {shape(f)}' for n, f in fields)})"
        case Enum(name, members):
            return f"{name}({', '.join(members)})"
        case Sort(name):
            return name
        case MapOf(_, x) if is_vast(t):
            return f"Sparse[{shape(x)}]"
    inner = ", ".join(map(shape, children(t)))
    return f"{type(t).__name__}[{inner}]" if inner else type(t).__name__


def _number(n: int) -> int | str:
    return n if -(1 << 63) <= n < 1 << 64 else hex(n)


def _number_of(d: int | str) -> int:
    return int(d, 16) if isinstance(d, str) else d


def frame(data: Any) -> bytes:
    """One frame."""
    body = ENCODER.encode(data)
    return len(body).to_bytes(4, "big") + body


async def read_frame(reader: asyncio.StreamReader) -> Any:
    """The next frame.  Raises asyncio.IncompleteReadError at the end, BadFrame."""
    length = int.from_bytes(await reader.readexactly(4), "big")
    if length > LONGEST:
        raise BadFrame(f"{length} bytes")
    try:
        return DECODER.decode(await reader.readexactly(length))
    except msgspec.DecodeError as why:
        raise BadFrame(str(why)) from None
