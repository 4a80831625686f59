"""A binding: how the lines of a log and a spec meet, as a TOML file.  Here: its form; what it means is made in `rules`.

docs/guides/validate.md tells it with examples.  Every mistake is a Mistake with the line of the binding, as far as it can be
told; an unknown key is one.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from checker.settings import Mistake, nearest

Texts = dict[str, Any]


@dataclass
class Rule:
    """What one kind of event is: `do` the steps, or nothing but a look at the state; `set`: gives the initial state."""

    name: str = ""
    when: str = "true"
    do: str | list[str] = ""
    args: Texts = field(default_factory=dict)
    before: Texts = field(default_factory=dict)
    after: Texts = field(default_factory=dict)
    require: list[str] = field(default_factory=list)
    require_before: list[str] = field(default_factory=list)
    set: Texts = field(default_factory=dict)
    observe: bool = True  # also what the binding's own [before] and [after] say
    sends: bool = True  # also what [send] says
    at: int = 0


@dataclass
class Silent:
    """Steps that leave no line: `do` before an event for which `when` holds, at most `limit` in all and `run` in a row."""

    do: str = ""
    when: str = "true"
    args: Texts = field(default_factory=dict)
    limit: int = 1_000_000
    run: int = 1
    at: int = 0


@dataclass
class Last:
    """The step before an event for which `when` holds may have left no line, as its process was killed: what it may have been."""

    when: str = "false"
    do: str | list[str] = ""
    args: Texts = field(default_factory=dict)


@dataclass
class Sends:
    """Which messages an event says were sent: `each` is the list, `as_` names one.  `complete`: all that were are there."""

    each: str = "[]"
    as_: str = "it"
    message: str = "it"
    id: str | None = None
    to: str | None = None
    lost: str = "false"
    complete: bool = True


@dataclass
class Receives:
    """Which message an event says was received.  `open`: from outside of what the log tells, so it need not have been sent."""

    when: str = "false"
    message: str = "msg"
    id: str | None = None
    sender: str | None = None
    open: bool = False


@dataclass
class Order:
    """by: "file" (as the lines stand), "clock" (vector clocks), "time" (with an uncertainty, in its own unit), "pairs" (each
    node's own order, and a message is sent before it is received).  With clocks each file is in order, unless `shuffled`: then
    only each node's lines are.  `lazy`: another order is tried only where nothing else explains an event.
    `loose`: which events may happen later than they stand (if others are late, these stand too early), but not those that
    receive an id (`received`) which no line before them has sent (`sent`).
    `merge`: as they stand in one file, but several files are merged by their `time`; with clocks, that decides what they leave
    open."""

    by: str = "file"
    node: str = "node"
    clock: str = "vc"
    time: str = "ts"
    uncertainty: float = 0.0
    shuffled: bool = False
    lazy: bool = False
    merge: bool = False
    loose: str = "true"
    sent: str = "missing"
    received: str = "missing"


@dataclass
class Agree:
    """Events for which `of` is the same also have the same `field`, if it is there: what no variable of the spec holds."""

    of: str = "missing"
    field: str = "missing"
    at: int = 0


@dataclass
class Group:
    """Lines that are one event: those in a row with the same `by`, or from `begin` to `end`, each `per` node."""

    by: str | None = None
    begin: str | None = None
    end: str | None = None
    per: str = "node"


@dataclass
class Binding:
    """The whole file."""

    file: str
    text: str
    instance: str | None = None
    spec: str | None = None
    lines: str = "true"  # of which logs it is, told by a first line; where there are several bindings
    sizes: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    volatile: list[str] = field(default_factory=list)
    durable: list[str] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, str]] = field(default_factory=dict)
    ignore: list[str] = field(default_factory=list)
    before: Texts = field(default_factory=dict)
    after: Texts = field(default_factory=dict)
    message: dict[str, dict[str, Any]] = field(default_factory=dict)
    send: Sends = field(default_factory=Sends)
    receive: Receives = field(default_factory=Receives)
    order: Order = field(default_factory=Order)
    group: Group = field(default_factory=Group)
    event: list[Rule] = field(default_factory=list)
    silent: list[Silent] = field(default_factory=list)
    agree: list[Agree] = field(default_factory=list)
    unlogged: Last = field(default_factory=Last)
    skip: list[str] = field(default_factory=list)
    initial: str = "spec"  # or "any": whatever the first lines say
    states: int = 20_000  # the most states that may explain a prefix
    repeat: int = 64  # the most rounds of `*` in one event

    def mistake(self, what: str, near: Any = None, hint: str | None = None) -> Mistake:
        """A Mistake that says where in the file something like `near` stands."""
        return Mistake(f"{self.file}{self._line(near)}: {what}", hint)

    def _line(self, near: Any) -> str:
        if isinstance(near, int):
            return f":{near}" if near else ""
        if isinstance(near, str) and near:
            forms = (near, near.replace('"', '\\"'), near.replace("\\", "\\\\"))
            at = next((i for f in forms if (i := self.text.find(f)) >= 0), -1)
            return f":{self.text.count(chr(10), 0, at) + 1}" if at >= 0 else ""
        return ""


def load(path: str | Path) -> Binding:
    """The binding in a file.  Raises Mistake."""
    from checker.library import load_bytes

    try:
        text = load_bytes(Path(path)).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Mistake(f"{path} is not UTF-8 text") from None
    return parse(text, str(path))


def parse(text: str, file: str = "<binding>") -> Binding:
    """The binding that a text is.  Raises Mistake."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as why:
        at = re.search(r"\(at line (\d+), column \d+\)", str(why))
        said = str(why).split(" (at")[0]
        raise Mistake(f"{file}{':' + at[1] if at else ''}: not TOML: {said}") from None
    b = Binding(file, text)
    _fill(b, b, data, "the binding")
    return b


PARTS: dict[str, type] = {"unlogged": Last, "send": Sends, "receive": Receives, "order": Order, "group": Group}
ITEMS: dict[str, type] = {"event": Rule, "silent": Silent, "agree": Agree}
RENAMED = {"as": "as_", "from": "sender"}


def _fill(b: Binding, target: Any, data: dict[str, Any], where: str) -> None:
    """Sets the attributes of `target` from a table, each of the kind that it has by default."""
    known = [f for f in target.__dataclass_fields__ if f not in ("file", "text", "at")]
    for key, value in data.items():
        name = RENAMED.get(key, key)
        if name not in known or (key in RENAMED.values()):
            shown = sorted({v: k for k, v in RENAMED.items()}.get(k, k) for k in known)
            raise b.mistake(f"{where} has no `{key}`", key, nearest(key, shown) or f"it has {', '.join(shown)}")
        if target is b and name in PARTS:
            _kind(b, value, dict, key, where)
            _fill(b, getattr(b, name), value, f"[{name}]")
        elif target is b and name in ITEMS:
            _kind(b, value, list, key, where)
            setattr(b, name, [_item(b, name, i, v) for i, v in enumerate(value)])
        else:
            _check(b, target, name, value, key, where)
            setattr(target, name, value)


def _item(b: Binding, name: str, i: int, data: Any) -> Any:
    item = ITEMS[name]()
    heads = [n for n, line in enumerate(b.text.split("\n"), 1) if re.match(rf"\s*\[\[\s*{name}\s*\]\]", line)]
    item.at = heads[i] if i < len(heads) else 0
    _kind(b, data, dict, name, f"[[{name}]]")
    _fill(b, item, data, f"[[{name}]]")
    return item


def _check(b: Binding, target: Any, name: str, value: Any, key: str, where: str) -> None:
    kind = str(target.__dataclass_fields__[name].type)
    wanted: tuple[type, ...] = (str,)
    if kind.startswith(("dict", "Texts")):
        wanted = (dict,)
    elif kind.startswith("list"):
        wanted = (list,)
    elif kind.startswith("str | list"):
        wanted = (str, list)
    elif kind in ("bool", "int"):
        wanted = (bool,) if kind == "bool" else (int,)
    elif kind == "float":
        wanted = (int, float)
    if name in ("id", "to", "sender", "when", "by", "each", "message", "lost", "node") and kind.startswith("str"):
        wanted = (str,)
    if not isinstance(value, wanted) or (wanted == (int,) and isinstance(value, bool)):
        raise b.mistake(f"`{key}` of {where} is {_shown(value)}, and should be {_word(wanted[0])}", key)
    if isinstance(value, list) and not all(isinstance(x, str) for x in value):
        raise b.mistake(f"`{key}` of {where} is a list of texts", key)
    if name in ("fields", "names") and isinstance(value, dict) and not all(isinstance(x, str) for x in value.values()):
        raise b.mistake(f"`{key}` gives each name a text", key)
    if name in ("values", "message") and isinstance(value, dict):
        for inner in value.values():
            _kind(b, inner, dict, key, where)


def _kind(b: Binding, value: Any, kind: type, key: str, where: str) -> None:
    if not isinstance(value, kind):
        raise b.mistake(f"`{key}` of {where} is {_shown(value)}, and should be {_word(kind)}", key)


def _word(t: type) -> str:
    words = {str: "a text", dict: "a table", list: "a list", bool: "true or false"}
    return words.get(t, "a number")


def _shown(v: Any) -> str:
    text = repr(v)
    return text if len(text) < 40 else text[:38] + " …"
