"""The front end: text to Model.  One-way: this package knows the core, and nothing knows this package but the top level.

parse → syntax tree (layout, grammar, build; recover if it is broken) → resolve, infer, statements, flow, network, instances;
load puts the Model together.
"""

from __future__ import annotations

from checker.language.format import format_text
from checker.language.load import load_model, parse_expr_in
from checker.language.parse import parse

__all__ = ["format_text", "load_model", "parse", "parse_expr_in"]
