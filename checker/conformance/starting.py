"""A binding to start from: what stands in a log, as a commented TOML file; with a spec, what it might mean by its names.

Nothing here is certain: what is guessed stands in comments, or is marked with `?`.
"""

from __future__ import annotations

import re
from collections import Counter
from difflib import get_close_matches
from itertools import islice
from typing import Any

import msgspec

from checker.conformance.lines import Log
from checker.core.model import Model
from checker.core.types import Enum, MapOf
from checker.settings import Mistake

KINDS = ("ev", "event", "type", "kind", "name", "action", "msg")
NODES = ("node", "nid", "server", "process", "host", "replica", "instance", "pid", "id")
CLOCKS = ("vc", "clock", "vclock", "vector_clock")
SENDERS = ("from", "src", "sender", "source")
MESSAGES = ("msg", "message", "header", "meta")
RECEIVERS = ("to", "dst", "dest", "receiver", "target")
IDS = ("mid", "msg_id", "message_id", "msgId", "id")
ARRIVALS = re.compile(r"recv|receive[sd]?|deliver(?:s|ed)?|handle[sd]?|receiv", re.I)
RETURNS = re.compile(r"restart|recover|reboot", re.I)
MOST, FEW, MANY = 200_000, 12, 48  # lines; different values that are listed, and that are remembered


class Fields:
    """What stands in a log: of each path, how often, the kinds of values, and those that are few."""

    def __init__(self, log: Log) -> None:
        self.n, self.count, self.kinds = 0, Counter[str](), dict[str, Counter[str]]()
        self.values: dict[str, Counter[str]] = {}
        self.rows: list[dict[str, Any]] = []
        for line in islice(log, MOST):
            self.n += 1
            self.rows.append(line.data)
            self._add("", line.data)
        if not self.n:
            raise Mistake(f"{log.name}: there are no lines in it")
        often = [p for p in self.count if 2 * self.count[p] >= self.n and all(x.isidentifier() for x in p.split("."))]
        self.node = _best([p for p in often if 0 < len(self.values[p]) <= FEW], NODES)
        texts = [p for p in often if p != self.node and self.kinds[p]["text"]]
        kinds = sorted((p for p in texts if 1 < len(self.values[p]) <= MANY), key=lambda p: -self.count[p])
        kinds = [p for p in kinds if 10 * self.count[p] >= 9 * self.n] or kinds
        self.event = _best(kinds, KINDS) or next(iter(kinds), None) or _best(texts, KINDS)
        self.clock = next((k for k in CLOCKS if k in self.kinds and self.kinds[k]["object"]), None)

    def _add(self, path: str, x: dict[str, Any]) -> None:
        for key, value in x.items():
            p = f"{path}.{key}" if path else key
            self.count[p] += 1
            self.kinds.setdefault(p, Counter())[_kind(value)] += 1
            seen = self.values.setdefault(p, Counter())
            if not isinstance(value, dict | list) and (len(seen) <= MANY or _text(value) in seen):
                seen[_text(value)] += 1
            if isinstance(value, dict) and p.count(".") < 2 and key not in CLOCKS:
                self._add(p, value)

    def events(self) -> Counter[str]:
        """How often each kind of event is there."""
        return Counter(_text(x) for r in self.rows if (x := _at(r, self.event)) is not None) if self.event else Counter()

    def words(self, path: str) -> list[str]:
        """The different texts of a field."""
        return [x for v in self.values[path] if isinstance(x := msgspec.json.decode(v), str)] if self.kinds[path]["text"] else []


def _best(paths: list[str], names: tuple[str, ...]) -> str | None:
    """Of these fields the one that is least deep, and whose name comes first."""
    known = [p for p in paths if _plain(p) in names]
    return min(known, key=lambda p: (_plain(p) in ("pid", "id"), p.count("."), names.index(_plain(p))), default=None)


def _words(name: str) -> str:
    """`currentTerm` and `CurrentTerm` as `current_term`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _plain(path: str) -> str:
    """What a field is of: `x.nodeId`, `x.node_name` and `node.id` are of a `node`."""
    parent, _, last = path.rpartition(".")
    word = _words(last)
    if word in ("id", "name") and parent and _plain(parent) in NODES:
        return _plain(parent)
    for end, names in (("_id|_name|_node|_server", NODES + SENDERS), ("_name|_type|_kind", KINDS)):
        if (of := re.sub(f"({end})$", "", word)) in names:
            return of
    return word


def _at(row: Any, path: str) -> Any:
    for key in path.split("."):
        row = row.get(key) if isinstance(row, dict) else None
    return row


def _kind(x: Any) -> str:
    names = {bool: "bool", int: "number", float: "number", str: "text", list: "list", dict: "object"}
    return "null" if x is None else names[type(x)]


def _text(x: Any) -> str:
    return msgspec.json.encode(x).decode()


def starting(file: str, model: Model | None) -> str:
    """The text of a binding for a log.  Raises Mistake."""
    f = Fields(Log(file))
    parts = [_head(f, file, model), _fields(f), _sizes(f, model), _order(f), _after(f, model), _messages(f, model)]
    parts.append(_events(f, model))
    return "\n".join(x for part in parts for x in part) + "\n"


def _head(f: Fields, file: str, model: Model | None) -> list[str]:
    top = [f"# A start, made from {f.n:,} lines of {file}. Lines with ? are guesses; docs/guides/validate.md has the rest."]
    crashing = [f'"crash({p}) <= 10"' for p in _crashing(f, model)] if model else []
    faults = [f"faults = [{', '.join(crashing)}]  # ?"] if crashing else []
    return [*top, f'spec = "{model.name}"' if model else '# spec = "NAME"', *faults, ""]


def _crashing(f: Fields, model: Model) -> list[str]:
    """The processes of which some node starts again in the log."""
    known = {_key(n): n for n, p in model.processes.items() if p.ident is None}
    other = [n for n, p in model.processes.items() if p.ident is not None]
    rows = [r for r in f.rows if f.event and isinstance(ev := _at(r, f.event), str) and RETURNS.match(ev)]
    nodes = {_key(str(_at(r, f.node))) for r in rows} if f.node else set()
    return sorted({p for n in nodes for p in ([known[n]] if n in known else other)})


def _fields(f: Fields) -> list[str]:
    out = [f"# {'field':30} {'lines':>8}  values"]
    for p, n in sorted(f.count.items()):
        seen = f.values[p]
        shown = ", ".join(seen) if 0 < len(seen) <= FEW else ", ".join([*list(seen)[:3], "…"]) if seen else ""
        out.append(f"# {p:30} {n:>8,}  {' or '.join(f.kinds[p])}{': ' + shown[:90] if shown else ''}")
    return [*out, ""]


def _sizes(f: Fields, model: Model | None) -> list[str]:
    out, alone = ["[sizes]"], _alone(f, model)
    for name in model.sorts if model else []:
        close = _close(name, f)
        source = f.node if name in model.processes and f.node else close  # type: ignore[union-attr]
        if source and source == f.node and alone:
            others = [n for n in f.words(source) if n not in alone]
            out.append(f"{name} = {_text(others)}  # ?")
        else:
            out.append(f'{name} = {{ from = "{source}" }}  # ?' if source else f"# {name} = …")
    for name in model.params if model else []:
        close = _close(name.removeprefix("max_"), f, MESSAGES) or _close(name.removeprefix("max_"), f)
        most = f"len({close})" if close and f.kinds[close]["list"] else close
        out.append(f'{name} = {{ max = "{most}", plus = 1 }}  # ?' if most else f"# {name} = …")
    process = next((p for p in model.processes if p in model.sorts), None) if model else None
    node = f.node or (_close(process, f) if process else None)
    which = f"{node} if {node} not in {_listed(alone)} else null" if alone else node
    names = (
        ["", "[names]", f'self = "{process} = {which}"' + ("" if f.node and not alone else "  # ?")] if process and node else []
    )
    return [*out, *names, ""]


def _alone(f: Fields, model: Model | None) -> list[str]:
    """The nodes that are called like single processes: these have no identity, so `self` is not one of them."""
    single = {_key(n) for n, p in (model.processes if model else {}).items() if p.ident is None}
    return [n for n in (f.words(f.node) if f.node else ()) if _key(n) in single]


def _listed(words: list[str]) -> str:
    return "[" + ", ".join(f"'{w}'" for w in words) + "]"


def _order(f: Fields) -> list[str]:
    by = ['by = "clock"', f'clock = "{f.clock}"'] if f.clock else ['by = "file"  # or "clock", "pairs", "time"']
    return ["[order]", *by, *([f'node = "{f.node}"'] if f.node else []), ""]


def _after(f: Fields, model: Model | None) -> list[str]:
    """The variables of the spec with the fields that are called alike, or have their values."""
    out, written, alone = ["[after]"], dict[str, dict[str, str]](), _alone(f, model)
    for name, v in (model.vars if model else {}).items():
        if v.ghost:
            continue
        left = f"{name}[self]" if v.process and v.process in model.sorts else name  # type: ignore[union-attr]
        close, t = _close(name, f, MESSAGES), v.type.val if isinstance(v.type, MapOf) else v.type
        if isinstance(t, Enum):
            close = close or _valued(f, t.members)
            same = {_key(m): m for m in t.members}
            others = {w: same[_key(w)] for w in (f.words(close) if close else []) if _key(w) in same and w not in t.members}
            written.setdefault(t.name, {}).update(others)
        whose = next((n for n in alone if v.process and _key(n) == _key(v.process)), None)
        if (
            close
            and whose
            and f.kinds[close].total() > sum(_at(r, f.node or "") == whose for r in f.rows if _at(r, close) is not None)
        ):
            close = f"{close} if {f.node} == '{whose}' else missing"
        out.append(f'"{left}" = "{close}"  # ?' if close else f'# "{left}" = "…"')
    single = {_key(n): n for n, p in (model.processes if model else {}).items() if p.ident is None}
    written |= {single[_key(w)]: {w: single[_key(w)]} for w in _alone(f, model) if w != single[_key(w)]}
    for t_name, others in written.items():
        rows = [f'{_text(w)} = "{m}"' for w, m in others.items()]
        out += ["", f"[values.{t_name}]", *rows] if rows else []
    return [*out, ""]


def _valued(f: Fields, members: tuple[str, ...]) -> str | None:
    """The field of which most values are members of an enumeration."""
    known = {_key(m) for m in members}
    hits = {p: [_key(w) in known for w in f.words(p)] for p in f.count if p not in (f.node, f.event)}
    best = max(hits, key=lambda p: sum(hits[p]), default=None)
    return best if best and sum(hits[best]) > 1 and 2 * sum(hits[best]) >= len(hits[best]) else None


def _messages(f: Fields, model: Model | None) -> list[str]:
    """Where messages of the spec stand: an object with a field whose values are called like them."""
    called = {_key(n): n for n in (model.messages if model else {})}
    found = [(p, hits) for p in f.count if "." in p and (hits := [w for w in f.words(p) if _key(w) in called])]
    if not found:
        return []
    path, hits = max(found, key=lambda x: len(x[1]))
    where, kind = path.rsplit(".", 1)
    inside = [p.removeprefix(where + ".") for p in f.count if p.startswith(where + ".")]
    arrivals = [ev.replace('"', "'") for ev in f.events() if ARRIVALS.match(ev.strip('"'))]
    when = f"{f.event} in [{', '.join(arrivals)}]" if arrivals else f"has({where})"
    doubt = "" if arrivals else " if such lines receive it; what they send belongs into [send]"
    send, mid = _sends(f) if arrivals else ([], [])
    out = [*send, "[receive]", f'when = "{when}"  # ?{doubt}', f'message = "{where}"', *mid, *_sender(f, where, inside)]
    for w in hits:
        out += ["", f"[message.{called[_key(w)]}]", f"when = \"{kind} == '{w}'\""]
        for n, _ in model.messages[called[_key(w)]].payload.fields:  # type: ignore[union-attr]
            close = next((p for p in inside if _key(p.rsplit(".", 1)[-1]) == _key(n)), None)
            out += [] if n in inside else [f'{n} = "{close}"  # ?' if close else f'# {n} = "…"']
    return [*out, ""]


def _sends(f: Fields) -> tuple[list[str], list[str]]:
    """[send] of a log whose lines have a list of what they sent and to whom, as `EventLog` writes it; and the id that the line
    has that receives it."""
    for p in f.count:
        rows = [x for r in f.rows if isinstance(xs := _at(r, p), list) for x in xs]
        if not rows or not all(isinstance(x, dict) for x in rows):
            continue
        have = set.intersection(*(set(x) for x in rows))
        to, what, mid = (next((n for n in names if n in have), None) for names in (RECEIVERS, MESSAGES, IDS))
        if to:
            out = [
                "[send]",
                f'each = "get({p}, [])"  # ?',
                'as = "s"',
                f'message = "s{"." + what if what else ""}"',
                f'to = "s.{to}"',
            ]
            named = [f'id = "s.{mid}"'], [f'id = "{mid}"']
            return ([*out, *named[0], ""], named[1]) if mid and mid in f.count else ([*out, ""], [])
    return [], []


def _sender(f: Fields, where: str, inside: list[str]) -> list[str]:
    """The field that may say who has sent a message: one of it, or else of the line."""
    own = _best(inside, SENDERS)
    if own:
        return [f"# from = '{where}" + "".join(f'["{x}"]' for x in own.split(".")) + "'"]
    other = _best([p for p in f.count if not p.startswith(where + ".") and not f.kinds[p]["object"]], SENDERS)
    return ["# from = '_" + "".join(f'["{x}"]' for x in other.split(".")) + "'"] if other else []


def _events(f: Fields, model: Model | None) -> list[str]:
    """A rule for each kind of event, with the actions and handlers that are called alike."""
    out: list[str] = []
    steps: dict[str, str] = {}
    arrivals = any(ARRIVALS.fullmatch(ev.strip('"')) for ev in f.events())
    for a in model.actions if model else []:
        steps[_key(a.receive.message if a.receive else a.name)] = "receive" if a.receive else a.name
    for ev, n in f.events().most_common():
        when = f"{f.event} == {ev}".replace('"', "'")
        close = get_close_matches(_key(ev), steps, 3, 0.5)
        do = " | ".join(dict.fromkeys(steps[c] for c in close))
        if ARRIVALS.fullmatch(ev.strip('"')):
            do = "receive"
        elif arrivals:
            do = " | ".join(x for x in do.split(" | ") if x != "receive")
        if model and _key(ev) not in steps and RETURNS.match(ev.strip('"')):
            do = " | ".join(f"crash {p}" for p in _crashing(f, model))
        out += ["[[event]]", f"# {n:,} lines", f'when = "{when}"', f'do = "{do}"  # ?' if do else '# do = "…"', ""]
    if not f.event:
        out += ["[[event]]", 'when = "true"', '# do = "…"', ""]
    if steps and model:
        every = sorted({a.name for a in model.actions})
        out.append(f"# The steps of {model.name}: {', '.join(every)}")
    return out


def _close(name: str, f: Fields, but: tuple[str, ...] = ()) -> str | None:
    """The field whose last part is called most alike; none inside of those of `but`."""
    ends: dict[str, str] = {}
    for p in sorted(f.count, key=lambda p: p.count("."), reverse=True):
        if all(part.isidentifier() for part in p.split(".")) and not set(p.split(".")[:-1]) & {*but}:
            ends[_key(p.rsplit(".", 1)[-1])] = p
    found = get_close_matches(_key(name), ends, 1, 0.75)
    if found:
        return ends[found[0]]
    return next((p for p in ends.values() if _words(p.rsplit(".", 1)[-1]).endswith("_" + _words(name))), None)


def _key(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())
