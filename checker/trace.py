"""Behaviours as data: plain JSON for `--json`, and ITF (the Informal Trace Format of Apalache and Quint) both ways.

JSON is for reading off: identities by their display names, sets sorted, a map by its keys.  ITF keeps every
difference, and reading what was written gives the same states: `decode(t, encode(t, v)) == v` for every value v of a
type t.  An identity is a string; an option and a message are variants, `{"tag": …, "value": …}`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from checker.core.bind import Instance
from checker.core.types import (
    REST,
    Bag,
    BagOf,
    Bool,
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
    Union,
    Value,
    is_vast,
    show,
)
from checker.display import Display, natural
from checker.settings import Mistake, nearest
from checker.verdict import State, Step, Trace

ITF_NONE = {"tag": "None", "value": {"#tup": []}}

# ── plain JSON ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Plain:
    """Values, steps and behaviours of one instance as plain JSON."""

    def __init__(self, instance: Instance) -> None:
        self.instance, self.display = instance, Display(instance)

    def value(self, v: Value) -> Any:
        match v:
            case None | bool() | int() | str():
                return v
            case Id():
                return self.display.identity(v)
            case Rec():
                return self.record(v)
            case Map():
                rest = {REST: self.value(v.rest)} if isinstance(v, Sparse) else {}
                return {**rest, **{self.display.value(k): self.value(x) for k, x in v.items()}}
            case Bag():
                return [
                    {"element": self.value(k), "count": v[k]} for k in sorted(v, key=lambda k: natural(self.display.value(k)))
                ]
            case frozenset():
                return [self.value(x) for x in sorted(v, key=lambda x: natural(self.display.value(x)))]
        return [self.value(x) for x in v]

    def record(self, r: Rec) -> dict[str, Any]:
        t = self.instance.records[r.name]
        fields = {n: self.value(x) for (n, _), x in zip(t.fields, r.values, strict=True)}
        return {"message": r.name, **fields} if r.name in self.instance.messages else fields

    def state(self, s: State) -> dict[str, Any]:
        return {n: self.value(v) for n, v in s.items()}

    def step(self, n: int, step: Step, before: State) -> dict[str, Any]:
        chosen = dict(step.choices)
        return {
            "step": n,
            "action": step.action,
            "kind": step.kind,
            "process": step.process,
            "self": self.value(chosen.get("self")),
            "choices": {k.split("#", 1)[0]: self.value(v) for k, v in step.choices if k != "self"},
            "received": self.value(step.received),
            "sent": [self.value(m) for m in step.sent],
            "label": self.display.label(step, before),
            "state": self.state(step.state),
        }

    def trace(self, t: Trace | None) -> list[dict[str, Any]] | None:
        """The initial state as step 0, then every step with the state after it."""
        if t is None:
            return None
        before = [t.initial, *(s.state for s in t.steps)]
        first = {"step": 0, "action": None, "label": "initially", "state": self.state(t.initial)}
        return [first, *(self.step(n, s, before[n - 1]) for n, s in enumerate(t.steps, 1))]


# ── ITF: values ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Itf:
    """Values of the types of one instance in ITF, both ways."""

    def __init__(self, instance: Instance) -> None:
        self.instance, self.display = instance, Display(instance)

    def encode(self, t: Type, v: Value) -> Any:
        """A value of type t as ITF."""
        match t:
            case Bool() | Enum():
                return v
            case Int():
                return {"#bigint": str(v)}
            case Sort():
                return self.display.identity(v)
            case Option(e):
                return ITF_NONE if v is None else {"tag": "Some", "value": self.encode(e, v)}
            case Record():
                return self._fields(t, v)
            case Union():
                return {"tag": v.name, "value": self._fields(t.variants[t.index(v.name)], v)}
            case Tuple(es):
                return {"#tup": [self.encode(e, x) for e, x in zip(es, v, strict=True)]}
            case Set(e, _):
                return {"#set": [self.encode(e, x) for x in self._sorted(v)]}
            case BagOf(e, _):
                return {"#map": [[self.encode(e, x), {"#bigint": str(v[x])}] for x in self._sorted(v)]}
            case MapOf(k, e):
                pairs = [[self.encode(k, x), self.encode(e, y)] for x, y in v.items()]
                return {"#map": pairs, "else": self.encode(e, v.rest)} if isinstance(v, Sparse) else {"#map": pairs}
            case Seq(e, _):
                return [self.encode(e, x) for x in v]
        raise AssertionError(t)

    def _sorted(self, v: Any) -> list[Value]:
        return sorted(v, key=lambda x: natural(self.display.value(x)))

    def _fields(self, t: Record, v: Rec) -> dict[str, Any]:
        return {n: self.encode(f, x) for (n, f), x in zip(t.fields, v.values, strict=True)}

    def decode(self, t: Type, j: Any) -> Value:
        """The value of type t that stands there.  Raises Mistake."""
        try:
            return self._decode(t, j)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            raise Mistake(f"`{msgspec.json.encode(j).decode()[:80]}` is no value of type {show(t)}", self._names(t)) from None

    def _names(self, t: Type) -> str | None:
        """What the identities and enums in a type are called."""
        called = {x: self._members(x) for x in _parts(t) if isinstance(x, Sort | Enum)}
        return "; ".join(f"{show(x)} is {', '.join(names)}" for x, names in called.items()) or None

    def _members(self, t: Sort | Enum) -> list[str]:
        if isinstance(t, Enum):
            return list(t.members)
        return [self.display.identity(Id(t.name, i)) for i in range(t.size or 0)]

    def _decode(self, t: Type, j: Any) -> Value:
        match t:
            case Bool():
                return _is(j, bool)
            case Enum(_, members):
                return members[members.index(j["tag"] if isinstance(j, dict) else j)]
            case Int():
                return integer(j)
            case Sort(_, size):
                known = [Id(t.name, i) for i in range(size or 0)]
                return known[[self.display.identity(x) for x in known].index(j)]
            case Option(e):
                return None if j["tag"] == "None" else self._decode(e, j["value"])
            case Record(name, fs):
                return Rec(name, tuple(self._decode(f, j[n]) for n, f in fs))
            case Union():
                return self._decode(t.variants[t.index(j["tag"])], j["value"])
            case Tuple(es):
                return tuple(self._decode(e, x) for e, x in zip(es, _list(j, "#tup"), strict=True))
            case Set(e, _):
                return frozenset(self._decode(e, x) for x in _list(j, "#set"))
            case BagOf(e, _):
                return Bag({self._decode(e, k): integer(n) for k, n in _list(j, "#map")})
            case MapOf(k, e):
                rows = _list(j, "#map") if "#map" in j else _is(j, dict).items()  # a function of texts may be a record
                pairs = {self._decode(k, x): self._decode(e, y) for x, y in rows}
                return Sparse(self._decode(e, j["else"]), pairs) if is_vast(t) else Map(pairs)
            case Seq(e, _):
                return tuple(self._decode(e, x) for x in (_list(j, "#tup") if isinstance(j, dict) else _is(j, list)))
        raise AssertionError(t)


def _parts(t: Type) -> Iterator[Type]:
    """A type and those in it."""
    yield t
    match t:
        case Option(e) | Set(e, _) | BagOf(e, _) | Seq(e, _):
            yield from _parts(e)
        case MapOf(k, e):
            yield from (x for y in (k, e) for x in _parts(y))
        case Tuple(es):
            yield from (x for y in es for x in _parts(y))
        case Record(_, fs):
            yield from (x for _, y in fs for x in _parts(y))


def _is(j: Any, kind: type) -> Any:
    if not isinstance(j, kind):
        raise TypeError
    return j


def _list(j: Any, key: str) -> list[Any]:
    return list(_is(j[key], list))


def integer(j: Any) -> int:
    """A number: `{"#bigint": "7"}`, or plain, as older files have it."""
    return int(j["#bigint"]) if isinstance(j, dict) else int(_is(j, int))


# ── ITF: behaviours ──────────────────────────────────────────────────────────────────────────────────────────────────


def to_itf(instance: Instance, t: Trace, description: str = "") -> dict[str, Any]:
    """A behaviour as an ITF object; what each step is stands in the `#meta` of its state."""
    itf, display = Itf(instance), Display(instance)
    states = [t.initial, *(s.state for s in t.steps)]
    metas: list[dict[str, Any]] = [{"index": 0}]
    for n, s in enumerate(t.steps, 1):
        metas.append(
            {
                "index": n,
                "action": s.action,
                "label": display.label(s, states[n - 1]),
                "sent": [display.sent(m) for m in s.sent],
            }
        )
    types = {v.name: v.type for v in instance.vars.values()}
    return {
        "#meta": {
            "format": "ITF",
            "format-description": "https://apalache-mc.org/docs/adr/015adr-trace.html",
            "source": instance.model.source.name,
            "description": description or f"{instance.model.name}, instance {instance.name}",
            "spec": instance.model.name,
            "instance": instance.name,
        },
        "params": [],
        "vars": list(types),
        "states": [
            {"#meta": m, **{n: itf.encode(types[n], v) for n, v in s.items()}} for m, s in zip(metas, states, strict=True)
        ],
    }


def states_from_itf(instance: Instance, data: dict[str, Any]) -> list[State]:
    """The states of an ITF object as states of an instance; a variable that is not there is left out, and so is what a tool
    tells of itself (`#meta`, `mbt::actionTaken`).  Raises Mistake."""
    itf = Itf(instance)
    out: list[State] = []
    for n, state in enumerate(data["states"]):
        own = {k: v for k, v in state.items() if k[:1] != "#" and "::" not in k}
        if unknown := [k for k in own if k not in instance.vars]:
            hint = nearest(unknown[0], instance.vars) or f"it has {', '.join(instance.vars)}"
            raise Mistake(f"state {n} has a variable `{unknown[0]}` that {instance.model.name} has not", hint)
        out.append({k: _decoded(itf, n, instance.vars[k], v) for k, v in own.items()})
    return out


def _decoded(itf: Itf, n: int, var: Any, v: Any) -> Any:
    try:
        return itf.decode(var.type, v)
    except Mistake as why:
        raise Mistake(f"state {n}, `{var.name}`: {why.text}", why.hint) from None


@dataclass(frozen=True)
class Frame:
    """One state of an ITF file as it is shown without its spec: what the step was, what it sent, and the values as
    text."""

    label: str
    sent: tuple[str, ...]
    values: dict[str, str]


def read_itf(data: bytes, name: str) -> dict[str, Any]:
    """An ITF object from the text of a file.  Raises Mistake."""
    try:
        found = msgspec.json.decode(data)
    except msgspec.DecodeError as why:
        raise Mistake(f"{name} is not JSON: {why}") from None
    except RecursionError:
        raise Mistake(f"{name} is nested too deep") from None
    states = found.get("states") if isinstance(found, dict) else None
    if not isinstance(states, list) or not all(isinstance(s, dict) for s in states):
        raise Mistake(f"{name} is not an ITF trace: it has no list of states")
    return dict(found)


def frames(data: dict[str, Any]) -> list[Frame]:
    """The states of an ITF object, flattened to paths with values as text."""
    out = []
    for n, state in enumerate(data["states"]):
        meta = state.get("#meta")
        meta = meta if isinstance(meta, dict) else {}
        label = str(meta.get("label") or meta.get("action") or ("initially" if n == 0 else f"step {n}"))
        flat = {p: v for k, j in state.items() if k != "#meta" for p, v in _flat(k, j)}
        out.append(Frame(label, tuple(map(str, meta.get("sent") or ())), flat))
    return out


def _flat(path: str, j: Any) -> Iterator[tuple[str, str]]:
    if isinstance(j, dict) and isinstance(j.get("#map"), list):
        for k, v in j["#map"]:
            yield from _flat(f"{path}[{itf_text(k)}]", v)
    elif isinstance(j, dict) and not any(k.startswith("#") for k in j) and "tag" not in j and j:
        for k, v in j.items():
            yield from _flat(f"{path}.{k}", v)
    else:
        yield path, itf_text(j)


def itf_text(j: Any) -> str:
    """An ITF value as the language writes it."""
    match j:
        case bool():
            return "true" if j else "false"
        case {"#bigint": n}:
            return str(n)
        case {"#set": [*xs]}:
            return "{" + ", ".join(sorted(map(itf_text, xs), key=natural)) + "}"
        case {"#tup": [*xs]}:
            return "(" + ", ".join(map(itf_text, xs)) + ")"
        case {"#map": [*xs]}:
            return "{" + ", ".join(f"{itf_text(k)}: {itf_text(v)}" for k, v in xs) + "}"
        case {"tag": "None"}:
            return "none"
        case {"tag": "Some", "value": v}:
            return itf_text(v)
        case {"tag": tag, "value": dict(v)}:
            return f"{tag}({', '.join(map(itf_text, v.values()))})" if v else str(tag)
        case list():
            return "[" + ", ".join(map(itf_text, j)) + "]"
        case dict():
            return "{" + ", ".join(f"{k}: {itf_text(v)}" for k, v in j.items()) + "}"
    return str(j)
