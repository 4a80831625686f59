"""Warnings: what is declared and does nothing, and what never changes."""

from __future__ import annotations

from checker.language.names import Names
from checker.language.wording import KIND

WORTH_A_WARNING = ("param", "type", "record", "quorum", "sort", "enum")


def warn_unused(names: Names) -> None:
    """Adds the warnings of one file to its report."""
    for v in names.all_vars():
        if not v.read:
            names.report.warning("W601", f"`{v.name}` is never read", v.decl.name.span)
        elif not v.written and not v.decl.choice:
            names.report.warning("W602", f"`{v.name}` never changes", v.decl.name.span, "a constant is a `param` or a `def`")
    for d in names.all_defs():
        if not d.used:
            names.report.warning("W603", f"the definition `{d.name}` is never used", d.decl.name.span)
    for symbol in names.symbols.values():
        by_member = any(names.symbols[m].used for m, t in names.members.items() if t.name == symbol.name)
        if not symbol.used and not by_member and symbol.kind in WORTH_A_WARNING:
            names.report.warning("W603", f"the {KIND[symbol.kind]} `{symbol.name}` is never used", symbol.span)
