"""What a spec declares, on one page: its sorts and sizes, who has which variables, who sends what to whom,
properties, instances.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from checker.answer import expected
from checker.core.bind import statements
from checker.core.ir import Expr, Send, base_name
from checker.core.model import Action, Fault, InstanceDecl, Model, VarDecl
from checker.core.types import Enum, Int, Record, Type, rebuild, show
from checker.explain import snippet


class Outline:
    """The structure of one model, as data and as lines."""

    def __init__(self, model: Model) -> None:
        self.model, self.source = model, model.source

    # ── data ──

    def data(self) -> dict[str, Any]:
        m = self.model
        return {
            "spec": m.name,
            "file": m.source.name,
            "doc": m.doc,
            "sorts": list(m.sorts),
            "params": {n: {"type": self.type(p.type), "default": self._text(p.default)} for n, p in m.params.items()},
            "types": {n: self.declared(t) for n, t in m.types.items() if n not in m.sorts},
            "network": m.network.kind,
            "messages": {n: {f: self.type(t) for f, t in d.payload.fields} for n, d in m.messages.items()},
            "variables": [self._variable(v) for v in m.vars.values() if v.process is None],
            "processes": [self._process(n) for n in m.processes],
            "actions": [self._action(a) for a in m.actions if a.process is None],
            "sends": [{"from": a, "message": b, "to": c} for a, b, c in self.flows()],
            "properties": [{"kind": p.kind, "name": p.name, "line": p.span.line if p.span else None} for p in m.properties],
            "instances": [self._instance(i) for i in m.instances.values()],
            "warnings": [w.message for w in m.warnings],
        }

    def _text(self, e: Expr | None) -> str | None:
        return snippet(self.source, e.span) if e else None

    def type(self, t: Type) -> str:
        """A type as the source writes it."""
        if isinstance(t, Int) and t.name is None and not (t.lo is None and t.hi is None):
            return f"{self._bound(t.lo)}..{self._bound(t.hi)}"
        return show(rebuild(t, self._named))

    def _named(self, t: Type) -> Type:
        return Int(0, 0, self.type(t)) if isinstance(t, Int) else rebuild(t, self._named)

    def _bound(self, b: Any) -> str:
        return str(b) if isinstance(b, int) else snippet(self.source, b.span) or "…"

    def declared(self, t: Type) -> str:
        """What a named type is."""
        match t:
            case Enum(_, members):
                return ", ".join(members)
            case Record(_, fields):
                return "(" + ", ".join(f"{n}: {self.type(f)}" for n, f in fields) + ")"
            case Int(lo, hi):
                return f"{self._bound(lo)}..{self._bound(hi)}"
        return self.type(t)

    def _variable(self, v: VarDecl) -> dict[str, Any]:
        kind = "ghost" if v.ghost else "durable" if v.durable else "var"
        return {
            "name": v.name,
            "type": self.type(v.cell),
            "kind": kind,
            "initial": self._text(v.init),
            "choice": v.choice,
        }

    def _process(self, name: str) -> dict[str, Any]:
        p, m = self.model.processes[name], self.model
        return {
            "name": name,
            "single": p.ident is None,
            "variables": [self._variable(v) for v in m.vars.values() if v.process == name],
            "actions": [self._action(a) for a in m.actions if a.process == name],
        }

    def _action(self, a: Action) -> dict[str, Any]:
        params = {base_name(n): self.type(t) for n, t in a.params}
        sends = sorted({s.message for s in statements(a.body) if isinstance(s, Send)})
        return {
            "name": base_name(a.name),
            "params": params,
            "receives": a.receive.message if a.receive else None,
            "sends": sends,
            "line": a.span.line if a.span else None,
        }

    def flows(self) -> list[tuple[str, str, str]]:
        """Who sends what to whom."""
        handlers: dict[str, list[str]] = {}
        for a in self.model.actions:
            if a.receive and a.process and a.process not in handlers.setdefault(a.receive.message, []):
                handlers[a.receive.message].append(a.process)
        found = {
            (a.process or "anyone", s.message) for a in self.model.actions for s in statements(a.body) if isinstance(s, Send)
        }
        order = list(self.model.messages)
        return [
            (p, m, ", ".join(handlers.get(m, [])) or "nobody") for p, m in sorted(found, key=lambda x: (order.index(x[1]), x[0]))
        ]

    def _instance(self, i: InstanceDecl) -> dict[str, Any]:
        return {
            "name": i.name,
            "sizes": {n: self._text(e) if n not in i.names else "{" + ", ".join(i.names[n]) + "}" for n, e in i.sizes.items()},
            "faults": [self._fault(f) for f in i.faults],
            "volatile": list(i.volatile),
            "durable": list(i.durable),
            "bound": self._text(i.bound),
            "slow": i.slow,
            "expected": expected(i.expect),
        }

    def _fault(self, f: Fault) -> str:
        return f.kind + (f"({f.target})" if f.target else "") + f" <= {self._text(f.budget)}"

    # ── lines ──

    def lines(self) -> list[str]:
        """The page."""
        d = self.data()
        out = [d["spec"] + f"  ({d['file']})", *(f"    {line}" for line in d["doc"].splitlines())]
        out += self._part("sorts", [", ".join(d["sorts"])] if d["sorts"] else [])
        out += self._part(
            "parameters",
            [f"{n}: {p['type']}" + (f" = {p['default']}" if p["default"] else "") for n, p in d["params"].items()],
        )
        out += self._part("types", [f"{n} = {t}" for n, t in d["types"].items()])
        out += self._part("variables", [_variable(v) for v in d["variables"]])
        for p in d["processes"]:
            out += self._part(
                ("single process " if p["single"] else "process ") + p["name"],
                [*map(_variable, p["variables"]), *map(_action, p["actions"])],
            )
        out += self._part("actions", list(map(_action, d["actions"])))
        out += self._part(f"messages (network {d['network']})", list(self._messages(d)))
        out += self._part("properties", [f"{p['kind']} {p['name']}" for p in d["properties"]])
        return out + self._part("instances", [_instance(i) for i in d["instances"]])

    def _part(self, head: str, rows: list[str]) -> list[str]:
        return ["", head, *(f"    {r}" for r in rows)] if rows else []

    def _messages(self, d: dict[str, Any]) -> Iterator[str]:
        for name, fields in d["messages"].items():
            inside = f"({', '.join(f'{n}: {t}' for n, t in fields.items())})" if fields else ""
            senders = [f["from"] for f in d["sends"] if f["message"] == name] or ["nobody"]
            to = next((f["to"] for f in d["sends"] if f["message"] == name), "nobody")
            yield f"{name}{inside}: {', '.join(senders)} → {to}"


def _variable(v: dict[str, Any]) -> str:
    return f"{v['kind']} {v['name']}: {v['type']}" + (f" {'in' if v['choice'] else '='} {v['initial']}" if v["initial"] else "")


def _action(a: dict[str, Any]) -> str:
    inside = f"({', '.join(f'{n}: {t}' for n, t in a['params'].items())})" if a["params"] else ""
    head = a["name"] if a["receives"] else f"action {a['name']}{inside}"
    return head + (f"  sends {', '.join(a['sends'])}" if a["sends"] else "")


def _instance(i: dict[str, Any]) -> str:
    items = [f"{n} = {v}" for n, v in i["sizes"].items()] + [f"fault {f}" for f in i["faults"]]
    items += [f"{kind} {v}" for kind in ("volatile", "durable") for v in i[kind]]
    items += [f"bound {i['bound']}"] if i["bound"] else []
    items += ["slow"] if i["slow"] else []
    e = i["expected"]
    end = f"  expect {e['verdict']}" + (f" {e['property']}" if e["property"] else "") if e else ""
    return f"{i['name']}: {', '.join(items)}{end}".rstrip()
