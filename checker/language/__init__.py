"""The front end: text to Model.  One-way: this package knows the core, and nothing knows this package but the top level.

parse → syntax tree (layout, grammar, build; recover if it is broken) → resolve, infer, statements, flow, network, instances;
load puts the Model together.
"""

from __future__ import annotations

from checker.language.load import Phrases, load_model, parse_expr_in
from checker.language.parse import parse
from checker.source import Source

__all__ = ["Phrases", "format_text", "load_model", "parse", "parse_expr_in"]


def format_text(source: Source) -> str:
    """The text in its one proper layout.  Raises SpecErrors if it cannot be read."""
    from checker.language import format  # nobody else needs it

    return format.format_text(source)
