"""What a log exercised and what was checked of it: actions taken, rules and comparisons used, and those that never were."""

from __future__ import annotations

import re
from typing import Any

from checker.conformance.rules import Call, Look
from checker.conformance.validate import Result
from checker.core.ir import Require, base_name


class Coverage:
    """Counts of one validation."""

    def __init__(self, result: Result) -> None:
        self.result = result
        self.rules = result.rules
        looks: dict[str, Look] = {}
        for k in self.rules.kinds:
            for x in (*k.before, *k.after):
                looks.setdefault(f"{x.text} = {x.field}" if x.field else x.text, x)
        self.looks = looks

    def actions(self) -> dict[str, int]:
        taken = self.result.search.tally.actions
        return {base_name(a.name): taken.get(a.name, 0) for a in self.result.instance.actions}

    def guards(self) -> dict[str, tuple[int | None, int]]:
        """Each `require`, by its place: in how many steps it held (None: it stands in a branch, so it cannot be told), and how
        many tries ended there."""
        machine = getattr(self.result.search, "machine", None)
        if machine is None:
            return {}
        taken, out = self.actions(), dict[str, tuple[int | None, int]]()
        of = {id(s): base_name(a.name) for a in self.result.instance.actions for s in a.body}
        for i, node in enumerate(machine.compiled.module.sites):
            if isinstance(node, Require) and node.span:
                held = taken.get(of.get(id(node), ""))
                out[machine.text(node)] = held, machine.refused[i] + out.get(machine.text(node), (0, 0))[1]
        return out

    def unread(self) -> list[str]:
        """Fields of the log that nothing in the binding names."""
        b = self.result.binding
        words = set(re.findall(r"[A-Za-z_]\w*", f"{b.receive.message} {b.send.message} " + re.sub(r"(?m)#.*$", "", b.text)))
        words |= {f for m in self.result.instance.messages.values() for f, _ in m.payload.fields}
        words |= {b.order.node} | (
            {b.order.clock} if b.order.by == "clock" else {b.order.time} if b.order.by == "time" else set()
        )
        return sorted(p for p in self.result.fields if p.split(".")[-1] not in words and p.split(".")[0] != b.order.clock)

    def data(self) -> dict[str, Any]:
        return {
            "actions": self.actions(),
            "rules": self._used(),
            "compared": {text: x.seen for text, x in self.looks.items()},
            "guards": {text: {"held": held, "refused": n} for text, (held, n) in self.guards().items()},
            "unread": self.unread(),
            "properties": {
                p.name: p.name not in self.result.binding.skip for p in self.result.instance.properties if p.kind != "reachable"
            },
        }

    def _used(self) -> dict[str, int]:
        """How many events each rule was for; those of one name together, as that of [receive] beside one of the binding's."""
        out: dict[str, int] = {}
        for k in self.rules.kinds:
            out[k.title] = out.get(k.title, 0) + k.seen
        return out

    def warnings(self) -> list[str]:
        """What the binding says of fields that never were there; only a whole log can tell."""
        if self.result.verdict != "accept":
            return []
        used = [k for k in self.rules.kinds if k.seen]
        if not any(k.before or k.after or k.sets or any(k.plans) for k in used):
            return ["nothing was held against the spec: no event of the binding has steps to `do`, and nothing is compared"]
        calls = {c for k in used for plan in k.plans for item in plan for c in item.calls}
        named = bool(self.result.binding.text)  # states need not say whose step it was
        nobody = sorted({base_name(c.action.name) for c in calls if named and _by_nobody(c)})
        return [
            *([f"which process takes {', '.join(nobody)} is not read from the log: give `self` in [names]"] if nobody else []),
            *(f"`{text}` was never compared: the field was never there" for text, x in self.looks.items() if not x.seen),
        ]

    def lines(self) -> list[str]:
        d = self.data()
        out = [""]
        for title, rows in (("actions taken", d["actions"]), ("rules used", d["rules"]), ("compared", d["compared"])):
            out += [f"{title}:", *(f"  {n:>9,}  {text}" for text, n in rows.items())]
        out += _guards(self.guards())
        out += [f"fields that nothing reads: {', '.join(d['unread'])}"] if d["unread"] else []
        skipped = [n for n, on in d["properties"].items() if not on]
        return out + ([f"properties not looked at: {', '.join(skipped)}"] if skipped else [])


def _by_nobody(c: Call) -> bool:
    return any(name == "self" for name, _ in c.action.params) and "self" not in c.args and "self" not in c.named


def _guards(guards: dict[str, tuple[int | None, int]]) -> list[str]:
    rows = [f"  {'in a branch' if held is None else f'{held:,}':>11}  {n:>9,}  {text}" for text, (held, n) in guards.items()]
    return ["guards (steps in which it held, tries that it refused):", *rows] if rows else []
