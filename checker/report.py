"""What people see: the verdict with its scope, the behaviour that shows it, why, and a line of progress while they
wait.

Every function makes lines of rich Text from data that others computed; only `Printer` and `Ticker` write.  A verdict
is never printed without what it is about: how many states, whether all of them, under which symmetry, bound and
limits.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console
from rich.text import Text

from checker.core.bind import Instance
from checker.core.model import Expect
from checker.display import Display
from checker.explain import Reason
from checker.source import Source, Span
from checker.stuck import Blocked, FaultReport
from checker.trace import Frame
from checker.verdict import Progress, Result, State, Trace, Verdict

Lines = list[Text]
GOOD, BAD, DOUBT, DIM, BOLD = "bold green", "bold red", "bold yellow", "dim", "bold"
COLOURS = {Verdict.HOLDS: GOOD, Verdict.UNKNOWN: DOUBT}
STOPS = {
    "states": "the limit on states",
    "depth": "the limit on depth",
    "memory": "the limit on memory",
    "time": "the time limit",
    "interrupt": "Ctrl-C",
}


class Printer:
    """Writes lines to a stream, in colour where it is a terminal."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.console = Console(file=stream or sys.stdout, highlight=False, markup=False, soft_wrap=True, emoji=False)

    def __call__(self, lines: Iterable[Text | str]) -> None:
        for line in lines:
            if self.console.is_terminal:
                self.console.print(line)
            else:
                self.console.file.write((line.plain if isinstance(line, Text) else line).rstrip() + "\n")
        self.console.file.flush()


# ── numbers ──


def count(n: int, what: str, many: str | None = None) -> str:
    """`1 state`, `1,145 transitions`"""
    return f"{n:,} {what if n == 1 else many or what + 's'}"


def seconds(s: float) -> str:
    """`0.03 s`, `2 min 05 s`"""
    if s < 60:
        return f"{s:.2f} s" if s < 10 else f"{s:.1f} s"
    minutes, rest = divmod(round(s), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def amount(n: float) -> str:
    """`312 kB`, `1.4 GB`"""
    for unit in ("B", "kB", "MB", "GB"):
        if n < 1000 or unit == "GB":
            return f"{n:.0f} {unit}" if unit == "B" or n >= 100 else f"{n:.1f} {unit}"
        n /= 1000
    raise AssertionError


def big(n: float) -> str:
    """`8.1 M`, `940`"""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if n >= size:
            return f"{n / size:.1f} {unit}"
    return f"{n:.0f}"


# ── the verdict ──


@dataclass(frozen=True)
class Scope:
    """What was asked for, as far as a verdict has to say so."""

    deadlock: bool = True
    total: float = 0.0


def sizes(instance: Instance) -> str:
    """`RM = 3, max_ballot = 2`"""
    show = Display(instance).value
    return ", ".join(f"{n} = {show(instance.sizes[n])}" for n in (*instance.model.sorts, *instance.model.params))


def title(instance: Instance) -> Text:
    given = sizes(instance)
    return Text.assemble((instance.model.name, BOLD), f" · {instance.name}" + (f" ({given})" if given else ""))


def verdict(instance: Instance, r: Result, scope: Scope) -> Lines:
    """The block that says what was found and about what."""
    lines = [
        title(instance),
        Text.assemble((_word(r) + ":", COLOURS.get(r.verdict, BAD)), " " + claim(instance, r, scope)),
    ]
    lines += [Text("  " + line) for line in (*_scope(instance, r, scope), _counts(r), _cost(r, scope)) if line]
    return lines


def _word(r: Result) -> str:
    return {Verdict.SPEC_FAULT: "spec fault"}.get(r.verdict, r.verdict.value)


def claim(instance: Instance, r: Result, scope: Scope) -> str:
    """What the verdict says, with what it is about."""
    match r.verdict:
        case Verdict.HOLDS:
            return f"{properties(instance, scope)} — {_all_of(instance, r)}"
        case Verdict.VIOLATED if r.trace is None:
            return f"{r.property} — {r.message or 'no reachable state is a witness'}: {_all_of(instance, r)}"
        case Verdict.VIOLATED:
            return f"{r.property} — {_by(r)}"
        case Verdict.DEADLOCK:
            return f"nothing can happen any more — {_by(r)}"
        case Verdict.SPEC_FAULT:
            return f"{r.message}{f' ({r.place})' if r.place else ''} — {_by(r)}"
    stopped = STOPS.get(r.stopped_by or "", r.stopped_by or "something")
    return f"stopped by {stopped}; nothing wrong in what was looked at: {_some_of(instance, r)}"


def _by(r: Result) -> str:
    if not r.trace:
        return "in an initial state"
    return f"a shortest behaviour to it has {count(len(r.trace), 'step')}"


def properties(instance: Instance, scope: Scope) -> str:
    names = [p.name for p in instance.properties if p.kind not in ("reachable", "lemma")]
    lemmas = sum(p.kind == "lemma" for p in instance.properties)
    names += [count(lemmas, "lemma")] if lemmas else []
    found = [p.name for p in instance.properties if p.kind == "reachable"]
    parts = [", ".join(names)] if names else []
    parts += [f"{', '.join(found)} reachable"] if found else []
    parts += ["no deadlock"] if scope.deadlock else []
    return "; ".join(parts) or "no property to look at"


def _states(instance: Instance, r: Result) -> str:
    if r.symmetry:
        return f"{count(r.distinct_states, 'state')} up to symmetry of {' and '.join(symmetric(instance))}"
    return count(r.distinct_states, "state")


def symmetric(instance: Instance) -> list[str]:
    """The sorts whose identities are interchangeable here."""
    return [s for s, n in instance.sorts.items() if n > 1]


def _all_of(instance: Instance, r: Result) -> str:
    if r.cut:
        return f"in {_states(instance, r)} within the bound, which cut {count(r.cut, 'transition')}"
    word = (
        "the one reachable state"
        if r.distinct_states == 1
        else f"all {_states(instance, r).replace('states', 'reachable states', 1)}"
    )
    return f"{word}, exhaustive"


def _some_of(instance: Instance, r: Result) -> str:
    return f"{_states(instance, r)} to depth {r.depth}, not exhaustive"


def _scope(instance: Instance, r: Result, scope: Scope) -> list[str]:
    out = []
    if not scope.deadlock and r.verdict is not Verdict.DEADLOCK:
        out.append("deadlocks were not looked for (--no-deadlock)")
    if r.verdict is Verdict.UNKNOWN and (missing := unwitnessed(instance, r)):
        out.append(f"not reached so far: {', '.join(missing)}")
    if r.cut and r.verdict is not Verdict.HOLDS:
        out.append(f"the instance's bound cut {count(r.cut, 'transition')}")
    return out


def unwitnessed(instance: Instance, r: Result) -> list[str]:
    """The `reachable` properties for which no state was found."""
    return [p.name for p in instance.properties if p.kind == "reachable" and p.name not in r.witnesses]


def _counts(r: Result) -> str:
    states = "" if r.trace is None else f"{count(r.distinct_states, 'distinct state')} so far, "
    return f"{states}{count(r.transitions, 'transition')}, depth {r.depth}"


def _cost(r: Result, scope: Scope) -> str:
    explore = r.seconds.get("explore", 0.0)
    rate = f" ({big(r.distinct_states / explore)} states/s)" if explore > 0.05 and r.distinct_states > 10_000 else ""
    memory = f", {amount(r.peak_memory_bytes)}" if r.peak_memory_bytes else ""
    engine = "" if r.engine == "native" else f", {r.engine} engine"
    compiled = seconds(r.seconds.get("compile", 0.0))
    return f"{seconds(scope.total)}: compiled in {compiled}, explored in {seconds(explore)}{rate}{memory}{engine}"


def found(r: Result, seen: str) -> Lines:
    """What a random walk ran into."""
    what = r.property or r.message or "nothing can happen any more"
    where = f" ({r.place})" if r.place else ""
    head = Text.assemble((_word(r) + ":", BAD), f" {what}{where} — seen on a random walk of {count(len(r.trace or ()), 'step')}")
    return [head, Text(f"  {seen}")]


def nothing_found(seen: str, r: Result, instance: Instance) -> Lines:
    """Random walks that ran into nothing say nothing about what they did not see."""
    lines = [Text.assemble(("nothing wrong seen", DOUBT), f" on {seen}; this says nothing about the rest")]
    lines += [Text(f"  {n} reached after {count(d, 'step')} at best") for n, d in r.witnesses.items()]
    never = [n for n, k in r.fired.items() if not k]
    lines += [Text(f"  never happened: {', '.join(never)}")] if never else []
    missing = unwitnessed(instance, r)
    return lines + ([Text(f"  not reached: {', '.join(missing)}")] if missing else [])


def expectation(e: Expect | None, problems: list[str], r: Result) -> Lines:
    """Whether that is what the spec expects of this instance; what only a run without symmetry can tell is said to be open."""
    if e is None:
        return []
    if not problems:
        unseen = [n for n in ("states", "transitions") if n in e.counts] if r.symmetry and r.exhaustive else []
        rest = f"; --no-symmetry counts its {' and '.join(unseen)}, too" if unseen else ""
        return [Text("  as the spec expects" + rest, DIM)]
    return [Text.assemble(("  not as the spec expects: ", DOUBT), p) for p in problems]


def warnings(ws: Iterable[str]) -> Lines:
    return [Text.assemble(("warning: ", DOUBT), w) for w in ws]


def witnesses(r: Result) -> Lines:
    """The first witness of each `reachable` property."""
    if r.verdict in (Verdict.HOLDS, Verdict.UNKNOWN):
        return [Text(f"  {n} first reached after {count(d, 'step')}") for n, d in r.witnesses.items()]
    return []


# ── behaviours ──


def trace(instance: Instance, t: Trace, head: str | None = None) -> Lines:
    """The first state, then each step with what it sent and what it changed.  `head`: what the first state is if it is not an
    initial one; then what is in the network is shown, too."""
    d = Display(instance)
    lines = [Text(head or "initially", BOLD), *_state(d, t.initial)]
    lines += [Text.assemble(f"    {n}: ", v) for n, v in d.hidden(t.initial)] if head else []
    before = t.initial
    width = len(str(len(t)))
    for n, step in enumerate(t.steps, 1):
        lines.append(Text.assemble((f"{n:>{width}}  ", DIM), (d.label(step, before), BOLD)))
        pad = " " * (width + 4)
        told = step.kind in ("loss", "duplication") or (step.kind == "byzantine" and instance.network == "set")
        lines += [Text.assemble(pad, ("sends ", DIM), ", ".join(map(d.sent, step.sent)))] if step.sent and not told else []
        lines += changed(d, before, step.state, pad) if not told else []
        before = step.state
    return lines


def _state(d: Display, state: State) -> Lines:
    rows = d.state(state)
    return [Text.assemble(("    " + n, ""), (": ", DIM), v) for n, v in rows] or [Text("    (no variables)", DIM)]


def changed(d: Display, old: State, new: State, pad: str) -> Lines:
    found = d.changes(old, new)
    if not found:
        return [Text(pad + "(changes no variable)", DIM)]
    return [
        Text.assemble(pad, c.path, (": ", DIM), (c.short, "cyan"))
        if c.short
        else Text.assemble(pad, c.path, (": ", DIM), c.old, (" → ", DIM), (c.new, "cyan"))
        for c in found
    ]


def frames(fs: list[Frame]) -> Lines:
    """A trace read from a file, without its spec: each state by what changed in it."""
    lines: Lines = []
    width, before = len(str(max(0, len(fs) - 1))), dict[str, str]()
    for n, f in enumerate(fs):
        lines.append(Text.assemble((f"{n:>{width}}  ", DIM), (f.label, BOLD)))
        pad = " " * (width + 4)
        lines += [Text.assemble(pad, ("sends ", DIM), ", ".join(f.sent))] if f.sent else []
        paths = [p for p in dict.fromkeys([*before, *f.values]) if before.get(p) != f.values.get(p)]
        lines += [_change(pad, p, before.get(p), f.values.get(p)) for p in paths] or [Text(pad + "(changes no variable)", DIM)]
        before = f.values
    return lines


def _change(pad: str, path: str, old: str | None, new: str | None) -> Text:
    arrow = "" if old is None else f"{old} → "
    return Text.assemble(pad, path, (": ", DIM), arrow, (new if new is not None else "(gone)", "cyan"))


# ── why ──


def caret(source: Source, span: Span, note: str = "") -> Lines:
    """A line of the source with what it is about marked."""
    n = str(span.line)
    line = source.line(span.line)
    end = span.end_column if span.end_line == span.line else len(line) + 1
    width = max(1, min(end, len(line) + 1) - span.column)
    pad = " " * len(n)
    return [
        Text(f"{pad}--> {source.name}:{span.line}:{span.column}", DIM),
        Text(f"{pad} |", DIM),
        Text.assemble((f"{n} | ", DIM), line),
        Text.assemble((f"{pad} | ", DIM), " " * (span.column - 1), ("^" * width, BAD), f" {note}" if note else ""),
    ]


def reason(r: Reason) -> Lines:
    """Which part of a property is false, for which elements, with values."""
    return list(_reason(r, "", None))


def _reason(r: Reason, pad: str, line: int | None) -> Iterator[Text]:
    """`phase[a] == holding is true, as phase[a] = holding`, and below it its parts."""
    where = f" (line {r.line})" if r.line and r.line != line else ""
    word = ("true", GOOD) if r.truth else ("false", BAD)
    values = ", ".join(f"{n} = {v}" for n, v in r.values)
    bindings = ", ".join(f"{n} = {v}" for n, v in r.bindings)
    told = (f" for {bindings}" if bindings else "") + (f", as {values}" if values else "") + (":" if r.parts else "")
    yield Text.assemble(pad, (r.text, "" if pad else BOLD), (where, DIM), (" is ", DIM), word, told)
    for part in r.parts:
        yield from _reason(part, pad + "    ", r.line or line)


def blocked(rows: list[Blocked]) -> Lines:
    """Why each action cannot happen."""
    lines = [Text("nothing can happen here:", BOLD)]
    for row in rows:
        who = f"{', '.join(row.who)}: " if row.who else ""
        lines.append(Text.assemble(("    " + who + row.action, ""), (" — ", DIM), row.why))
    return lines


def fault(instance: Instance, f: FaultReport, message: str) -> Lines:
    """What a spec fault ran into."""
    values = ", ".join(f"{n} = {v}" for n, v in f.values)
    lines = [Text.assemble((f.where, BOLD), f" runs into a fault: {message}")]
    lines += caret(instance.model.source, f.span) if f.span else []
    lines += [Text(f"    where {values}")] if values else []
    return lines + ([Text(f"    and what fits is {f.fits}")] if f.fits else [])


# ── progress ──


class Ticker:
    """One line on stderr that says how far a search is; nothing if stderr is no terminal."""

    def __init__(self) -> None:
        self.active = sys.stderr.isatty()
        self.shown = False

    def __call__(self, p: Progress) -> None:
        if self.active:
            rate = p.distinct / p.seconds if p.seconds else 0.0
            parts = [
                f"{p.distinct:,} states",
                f"{big(rate)}/s",
                f"frontier {p.frontier:,}",
                f"depth {p.depth}",
                amount(p.memory),
                seconds(p.seconds),
            ]
            sys.stderr.write("\r\x1b[2K" + " · ".join(parts))
            sys.stderr.flush()
            self.shown = True

    def done(self) -> None:
        if self.shown:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
            self.shown = False
