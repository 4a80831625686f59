"""What a log exercised and what was checked of it: actions taken, rules and comparisons used, and those that never were."""

from __future__ import annotations

from typing import Any

from checker.conformance.rules import Look
from checker.conformance.validate import Result
from checker.core.ir import base_name


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

    def data(self) -> dict[str, Any]:
        return {
            "actions": self.actions(),
            "rules": {k.title: k.seen for k in self.rules.kinds},
            "compared": {text: x.seen for text, x in self.looks.items()},
            "properties": {
                p.name: p.name not in self.result.binding.skip for p in self.result.instance.properties if p.kind != "reachable"
            },
        }

    def warnings(self) -> list[str]:
        """What the binding says of fields that never were there; only a whole log can tell."""
        if self.result.verdict != "accept":
            return []
        return [f"`{text}` was never compared: the field was never there" for text, x in self.looks.items() if not x.seen]

    def lines(self) -> list[str]:
        d = self.data()
        out = [""]
        for title, rows in (("actions taken", d["actions"]), ("rules used", d["rules"]), ("compared", d["compared"])):
            out += [f"{title}:", *(f"  {n:>9,}  {text}" for text, n in rows.items())]
        skipped = [n for n, on in d["properties"].items() if not on]
        return out + ([f"properties not looked at: {', '.join(skipped)}"] if skipped else [])
