"""What was found, for people (lines that can be pasted into the spec) and for programs; and what was tried, if nothing was."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from checker import report
from checker.language.format import format_text
from checker.lemmas.find import Found
from checker.source import Source


def lines(found: Found) -> report.Lines:
    """The lemmas, or why there are none."""
    if found.proof is None:
        return [Text(""), Text.assemble(("no proof found", report.BOLD), f": {found.why}"), Text("  tried: " + tried(found))]
    n = len(found.lemmas)
    if not n:
        return [Text(""), Text("no further lemma is needed")]
    head = f"{report.count(n, 'lemma')} found in {report.seconds(found.seconds)} ({tried(found)}); in the spec"
    return [Text(""), Text.assemble((head, report.BOLD), ":"), Text(""), *map(Text, formatted(found))]


def tried(found: Found) -> str:
    """What was looked at."""
    t = found.tried
    where = f" of instances about {found.sizes}" if found.sizes else ""
    parts = [f"{report.count(t.states, 'reachable state')}{where}", report.count(t.atoms, "atom")]
    parts.append(report.count(t.bad, "counterexample"))
    return ", ".join(parts) + (f", {report.count(t.banned, 'lemma')} given up" if t.banned else "")


def formatted(found: Found) -> list[str]:
    """The lemmas as they stand in a spec."""
    return format_text(Source("lemmas", "\n".join([*found.lemmas, ""]))).rstrip("\n").split("\n")


def data(found: Found) -> dict[str, Any]:
    """The same for programs."""
    t = found.tried
    return {
        "found_lemmas": found.lemmas if found.proof else [],
        "not_found": found.why,
        "tried": {
            "sizes": found.sizes,
            "states": t.states,
            "atoms": t.atoms,
            "counterexamples": t.bad,
            "given_up": t.banned,
            "seconds": found.seconds,
        },
    }
