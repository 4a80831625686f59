"""Fit, the one partial node that is no operator: a value as one of another type, or a fault where it is none."""

from __future__ import annotations

from checker.core.ir import Fit, Read
from checker.core.types import show

from .cases import FITS, Case
from .test_rows import hold_all


def test_fit() -> None:
    hold_all([Case(f"{show(a)} as {show(b)}", Fit(b, Read(a, "a")), {"a": a}) for a, b in FITS])
