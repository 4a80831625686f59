"""What people write after a flag, read into values: sizes of memory, times, counts, `-D NAME=VALUE`.

A `Mistake` is anything wrong with how a command was called or with a file it was given (exit 1): one line that says
what, and a hint where there is one.  Nothing here reads files or prints.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from checker.core.types import Bool, Enum, Int, Value, show

if TYPE_CHECKING:
    from checker.core.model import Model


class Mistake(Exception):
    """A wrong flag, name or file: `text` says what is wrong, `hint` what to do."""

    def __init__(self, text: str, hint: str | None = None) -> None:
        super().__init__(text)
        self.text, self.hint = text, hint


def nearest(name: str, known: Iterable[str]) -> str | None:
    """A hint at the known name that was probably meant."""
    names = list(known)
    close = get_close_matches(name, names, 1, 0.6) or [k for k in names if k.lower() == name.lower()]
    return f"did you mean `{close[0]}`?" if close else None


_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SECONDS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def memory(text: str) -> int:
    """Bytes: `500M`, `4G`, `1.5GiB`, `1000000`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if not found or not float(found[1]):
        raise Mistake(f"`{text}` is not an amount of memory", "write a number with a unit: 500M, 4G")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def duration(text: str) -> float:
    """Seconds: `30`, `30s`, `1.5m`, `1h`, `200ms`, `1h30m`."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|)", text.strip().lower())
    if not parts or "".join(a + b for a, b in parts) != text.strip().lower():
        raise Mistake(f"`{text}` is not a time", "write a number with a unit: 30s, 2m, 1h")
    seconds = sum(float(n) * _SECONDS[unit] for n, unit in parts)
    if not seconds:
        raise Mistake(f"a time limit of `{text}`", "give a time longer than nothing")
    return seconds


def sizes(model: Model, given: Sequence[str]) -> dict[str, Value]:
    """The values of `-D NAME=VALUE` for the sorts and parameters of a model."""
    found: dict[str, Value] = {}
    known = [*model.sorts, *model.params]
    for item in given:
        name, equals, text = (part.strip() for part in item.partition("="))
        if not equals or not name or not text:
            raise Mistake(f"-D {item}: it takes NAME=VALUE", f"for example -D {known[0]}=3" if known else None)
        if name not in known:
            has = f"{model.name} has {', '.join(known)}" if known else f"{model.name} has no sizes or parameters"
            raise Mistake(f"-D {item}: `{name}` is no sort or parameter of {model.name}", nearest(name, known) or has)
        if name in found:
            raise Mistake(f"-D {item}: `{name}` is given twice")
        found[name] = _size(model, name, text)
    return found


def _size(model: Model, name: str, text: str) -> Value:
    if name in model.sorts:
        n = _integer(text)
        if n is None or n < 1:
            raise Mistake(f"-D {name}={text}: {name} is a sort, and its size is a number from 1", f"for example -D {name}=3")
        return n
    t = model.params[name].type
    match t:
        case Bool():
            words = {"true": True, "false": False}
            if text not in words:
                raise Mistake(f"-D {name}={text}: {name} is a bool", "write true or false")
            return words[text]
        case Enum(_, members):
            if text not in members:
                raise Mistake(
                    f"-D {name}={text}: {name} is a {show(t)}", nearest(text, members) or f"one of {', '.join(members)}"
                )
            return text
        case Int(lo, hi):
            n = _integer(text)
            if n is None:
                raise Mistake(f"-D {name}={text}: {name} is a number", f"for example -D {name}=3")
            if isinstance(lo, int) and isinstance(hi, int) and not lo <= n <= hi:
                raise Mistake(f"-D {name}={text}: {name} lies in {lo}..{hi}")
            return n
    raise AssertionError(t)


def _integer(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?\d{1,18}", text) else None
