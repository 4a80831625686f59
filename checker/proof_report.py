"""A proof as people and programs see it: the claim, a table of what was asked, and the counterexample to induction.

Makes lines and data from a Proof; decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from checker import report
from checker.core.bind import Instance
from checker.core.meaning import World, in_network
from checker.core.types import Bag
from checker.engines.smt import plan as p
from checker.engines.smt.plan import Answered
from checker.proof import Label, Proof
from checker.trace import Plain
from checker.verdict import State, Verdict

TWICE = (
    "a message is there more than once: how often no lemma can say (only `in_flight` counts, and only in an instance); "
    "let messages carry a number, or their receiver ignore what it has seen"
)
COLOURS = {Verdict.HOLDS: report.GOOD, Verdict.UNKNOWN: report.DOUBT}
WORDS = {Verdict.NOT_INDUCTIVE: "not inductive", Verdict.SPEC_FAULT: "spec fault"}


def lines(proof: Proof, total: float) -> report.Lines:
    """The whole answer for people."""
    word = WORDS.get(proof.verdict, proof.verdict.value)
    out = [_title(proof), Text.assemble((f"{word}:", COLOURS.get(proof.verdict, report.BAD)), " " + claim(proof))]
    out += [Text("  " + line) for line in (*_scope(proof), _cost(proof, total))]
    out += [Text(""), *_table(proof)]
    out += report.warnings(f"action {a} cannot happen where the lemmas and invariants hold" for a in proof.impossible)
    if proof.found and proof.found.result.trace is not None:
        return [*out, Text(""), *report.trace(proof.found.instance, proof.found.result.trace), *proof.found.why()]
    return out + _cti(proof)


def claim(proof: Proof) -> str:
    """What the verdict says, with what it is about."""
    match proof.verdict:
        case Verdict.HOLDS:
            where = "of this instance" if proof.scope is None else "whatever the sizes"
            return f"{_shown(proof)} — by {method(proof)}, in every reachable state {where}"
        case Verdict.NOT_INDUCTIVE:
            refuted = proof.status("refuted")
            which = ", ".join(dict.fromkeys(target(a) for a in refuted))
            have = "has" if len(refuted) == 1 else "have"
            return f"{which} — {len(refuted)} of {len(_asked(proof))} queries {have} a counterexample to induction"
        case Verdict.UNKNOWN:
            n = len(proof.status("unknown"))
            return f"the solver left {report.count(n, 'query', 'queries')} of {len(_asked(proof))} undecided"
    assert proof.found
    where = f", at {_sizes(proof, proof.found.instance)}" if proof.scope is not None else ""
    return report.claim(proof.found.instance, proof.found.result, report.Scope(proof.settings.deadlock)) + where


def _title(proof: Proof) -> Text:
    if proof.scope is None:
        return report.title(proof.instance)
    text = "; ".join([f"{proof.instance.model.name}, any sizes", *(f"{n} = {_said(v)}" for n, v in proof.switches.items())])
    return Text(text, style=report.BOLD)


def _said(v: Any) -> str:
    return str(v).lower() if isinstance(v, bool) else str(v)


def _sizes(proof: Proof, instance: Instance) -> str:
    """The sizes of an instance, but for the switches, which the title tells."""
    return ", ".join(f"{n} = {v}" for n, v in instance.sizes.items() if n not in proof.switches) or "the only sizes"


def method(proof: Proof) -> str:
    name = "induction" if proof.settings.k == 1 else f"{proof.settings.k}-induction"
    n = len(proof.plan.lemmas)
    return name + (f" with {report.count(n, 'lemma')}" if n else "")


def _shown(proof: Proof) -> str:
    names = [*proof.plan.invariants, *proof.plan.steps]
    parts = [", ".join(names)] if names else []
    faults = "no spec fault" + (" but for full networks" if proof.scope is not None and proof.instance.model.limited else "")
    return "; ".join([*parts, faults, *(["no deadlock"] if proof.plan.deadlock else [])])


def _scope(proof: Proof) -> list[str]:
    out = list(proof.scope or ())
    if proof.scope is not None and proof.verdict is Verdict.UNKNOWN:
        none = "no instance of small sizes was looked at"
        if proof.tried:
            none = f"no counterexample at the sizes up to {_sizes(proof, proof.tried)}"
        out.append(f"what is open may be an artefact of the encoding: {none}")
    if proof.scope is not None:
        out.append("deadlocks were not looked for: `spectrace check` does")
    elif not proof.settings.deadlock:
        out.append("deadlocks were not looked for (--no-deadlock)")
    if proof.instance.bound is not None and proof.scope is None:
        out.append("only within the bound of the instance")
    wanted = [x.name for x in proof.instance.properties if x.kind == "reachable"]
    if wanted and not proof.found:
        out.append(f"not asked: {', '.join(wanted)} (induction shows what cannot happen, not what can)")
    return out


def _cost(proof: Proof, total: float) -> str:
    s = {k: report.seconds(v) for k, v in proof.seconds.items()}
    return f"{report.seconds(total)}: encoded in {s['encode']}, {len(proof.answered)} queries in {s['solve']}"


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────────────────


def target(a: Answered) -> str:
    if a.query.kind == p.DEFINED:
        return f"no spec fault in {a.query.target}"
    return a.query.target or {p.FAULT: "no spec fault", p.DEADLOCK: "no deadlock"}.get(a.query.kind, a.query.kind)


def _asked(proof: Proof) -> list[Answered]:
    return [a for a in proof.answered if a.query.kind not in (p.POSSIBLE, p.IMPLIED)]


def _rows(proof: Proof) -> dict[str, list[Answered]]:
    rows: dict[str, list[Answered]] = {}
    for a in _asked(proof):
        rows.setdefault(target(a), []).append(a)
    return rows


def _table(proof: Proof) -> Iterator[Text]:
    """A line for each property: how many of its queries are proved, which are not, and the time."""
    rows = _rows(proof)
    kinds = {x.name: x.kind for x in proof.instance.properties}
    names = {n: f"{kinds[n]} {n}" if n in kinds else n for n in (*proof.implied, *rows)}
    width = max(map(len, names.values()), default=0)
    for n in proof.plan.invariants:
        if n in proof.implied:
            spent = sum(a.seconds for a in proof.answered if a.query.target == n)
            yield _row(names[n], width, "proved", "implied by the others", spent)
    for n, found in rows.items():
        yield _row(names[n], width, _worst(found), _summary(proof, found), sum(a.seconds for a in found))


def _row(name: str, width: int, status: str, text: str, seconds: float) -> Text:
    colour = {"proved": report.GOOD, "refuted": report.BAD}.get(status, report.DOUBT)
    return Text.assemble(f"  {name:<{width}}  ", (f"{status:<7}", colour), f"  {report.seconds(seconds):>8}  {text}".rstrip())


def _worst(found: list[Answered]) -> str:
    states = {a.status for a in found}
    return next(s for s in ("refuted", "unknown", "proved") if s in states)


def _summary(proof: Proof, found: list[Answered]) -> str:
    good = sum(a.status == "proved" for a in found)
    parts = [f"{good} of {len(found)}" if good < len(found) else report.count(good, "query", "queries")]
    for status in ("refuted", "unknown"):
        where = [_where(proof, a) for a in found if a.status == status] if len(found) > 1 else []
        parts += [f"{status}: {', '.join(dict.fromkeys(where))}"] if where else []
    return "; ".join(parts)


def _where(proof: Proof, a: Answered) -> str:
    return proof.actions[a.query.action] if a.query.action is not None else "initially"


# ── the counterexample ───────────────────────────────────────────────────────────────────────────────────────────────


def _cti(proof: Proof) -> report.Lines:
    if proof.step is None or proof.cti is None or proof.label is None:
        late = proof.verdict is Verdict.NOT_INDUCTIVE
        return [Text(""), Text("no counterexample could be worked out in this time: give a longer --timeout")] if late else []
    trace = proof.step.result.trace
    assert trace is not None
    size = "the smallest" if proof.cti.minimal else "a"
    head = f"{size} state in which all lemmas and invariants hold"
    out = [Text(""), *report.trace(proof.where, trace, head), *proof.step.why()]
    out[1:1] = [Text(f"at {_sizes(proof, proof.shown)}")] if proof.shown else []
    out += [Text(""), Text(_reachable(proof.label), report.BOLD)]
    return [*out, Text(TWICE)] if _repeated(proof.where, trace.initial) else out


def _repeated(instance: Instance, state: State) -> bool:
    """Is some message there more than once?"""
    world = World(instance, state)
    found = [m for name in instance.messages for m in in_network(world, name)]
    bags = [content for m in instance.messages.values() if isinstance(content := state[m.var], Bag)]
    return len(set(found)) < len(found) or any(b[x] > 1 for b in bags for x in b)


def _reachable(label: Label) -> str:
    if label.why_not:
        return f"whether the first state is reachable was not looked at: {label.why_not}"
    states = report.count(label.states, "state") + (" up to symmetry" if label.symmetry else "")
    within = " within the bound" if label.cut else ""
    if label.reachable is False:
        all_ = f"it is none of all {states}" if label.states > 1 else "there is only the initial one"
        return f"the first state is unreachable{within}: {all_}; a lemma that excludes it is missing"
    return (
        f"the first state is not among the {states} explored{within}, to depth {label.depth}: "
        "perhaps unreachable, then a lemma that excludes it is missing"
    )


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def data(proof: Proof, total: float) -> dict[str, Any]:
    """The whole answer for programs."""
    found = proof.found
    result = found.result if found else None
    refuted = proof.status("refuted")
    return {
        "verdict": proof.verdict.value,
        "property": result.property if result else next((a.query.target for a in refuted), None),
        "message": result.message if result else "",
        "place": result.place if result else None,
        "k": proof.settings.k,
        "jobs": proof.settings.jobs,
        "timeout": proof.settings.timeout,
        "deadlock_checked": proof.settings.deadlock,
        "within_bound": proof.instance.bound is not None and proof.scope is None,
        "unbounded": proof.scope is not None,
        "lemmas": list(proof.plan.lemmas),
        "implied": sorted(proof.implied),
        "not_asked": [x.name for x in proof.instance.properties if x.kind == "reachable"],
        "queries": [_query(proof, a) for a in proof.answered],
        "warnings": [f"action {a} cannot happen where the lemmas and invariants hold" for a in proof.impossible],
        "seconds": {**proof.seconds, "total": total},
        "cti": _cti_data(proof),
        "trace_sizes": _sizes_data(found.instance) if found else None,
        "trace": Plain(found.instance).trace(found.result.trace) if found else None,
        "reason": found.reason_data() if found else None,
    }


def _query(proof: Proof, a: Answered) -> dict[str, Any]:
    action = None if a.query.action is None else proof.actions[a.query.action]
    return {"kind": a.query.kind, "target": a.query.target, "action": action, "status": a.status, "seconds": a.seconds}


def _sizes_data(instance: Instance) -> dict[str, Any]:
    plain = Plain(instance)
    return {n: plain.value(v) for n, v in instance.sizes.items()}


def _cti_data(proof: Proof) -> dict[str, Any] | None:
    if proof.step is None or proof.cti is None or proof.label is None:
        return None
    plain = Plain(proof.where)
    return {
        "kind": proof.cti.query.kind,
        "property": proof.cti.query.target,
        "minimal": proof.cti.minimal,
        "sizes": _sizes_data(proof.where),
        "reachable": proof.label.reachable,
        "explored": {
            "states": proof.label.states,
            "depth": proof.label.depth,
            "symmetry": proof.label.symmetry,
            "cut": proof.label.cut,
        },
        "trace": plain.trace(proof.step.result.trace),
        "reason": proof.step.reason_data(),
    }
