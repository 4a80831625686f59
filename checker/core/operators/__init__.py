"""The operator table: every operator of the language, one row each.  See table.py for what a row is."""

from __future__ import annotations

from checker.core.operators import collections, integers, logic, products, sets
from checker.core.operators.table import Row, TypeMismatch, Undefined

TABLE: dict[str, Row] = {row.name: row for rows in (logic, integers, sets, products, collections) for row in rows.ROWS}

__all__ = ["TABLE", "Row", "TypeMismatch", "Undefined"]
