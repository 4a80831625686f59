"""Atoms read by the front end, and clauses of them: text that parses, with its typed meaning beside it.

A clause is a disjunction of atoms and their negations under universal quantifiers: a lemma.  Two clauses that differ only in
the names of what they quantify over are the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import permutations, product

from checker.core.ir import Expr, Quant
from checker.core.model import Model
from checker.core.types import Enum, Type
from checker.errors import SpecErrors
from checker.language.load import load_model
from checker.language.syntax import RESERVED
from checker.lemmas.vocabulary import Pattern, Vocabulary
from checker.lemmas.vocabulary import bound as bound_in
from checker.source import Source


@dataclass(frozen=True)
class Atom:
    """`slots`: the names that are free in `expr`, each with its type in the model; `signs`: may it be denied, may it be asserted
    in a lemma?"""

    pattern: Pattern
    slots: tuple[tuple[str, Type], ...]
    expr: Expr
    signs: tuple[bool, bool] = (True, True)


Literal = tuple[int, tuple[int, ...], bool]  # the number of an atom, the variables in its slots, and whether it holds


@dataclass(frozen=True)
class Clause:
    """One of the literals holds for all values of the variables, which are of these types."""

    types: tuple[str, ...]
    literals: tuple[Literal, ...]

    @cached_property
    def key(self) -> tuple[tuple[str, ...], tuple[Literal, ...]]:
        """The same for the same clause, whatever its variables are called and in whatever order."""
        used = sorted({v for _, vs, _ in self.literals for v in vs})
        order = sorted(used, key=lambda v: (self.types[v], v))
        groups = [[v for v in order if self.types[v] == t] for t in dict.fromkeys(self.types[v] for v in order)]
        best = min(
            tuple(sorted((a, tuple(names[v] for v in vs), sign) for a, vs, sign in self.literals))
            for row in product(*(permutations(g) for g in groups))
            for names in [{v: i for i, v in enumerate(x for g in row for x in g)}]
        )
        return tuple(self.types[v] for v in order), best

    @property
    def canonical(self) -> Clause:
        return Clause(*self.key)


class Words:
    """The atoms of a model, as far as they type check."""

    def __init__(self, model: Model, byzantine: Sequence[str] = ()) -> None:
        self.model = model
        self.taken = {
            *RESERVED, *model.vars, *model.params, *model.types, *model.messages, *model.defs, *model.quorums, *model.processes,
            *model.sorts, *(m for t in model.types.values() if isinstance(t, Enum) for m in t.members),
            *(p.name for p in model.properties), *(a.name for a in model.actions),
        }  # fmt: skip
        self.taken |= {n.rsplit(".", 1)[-1] for n in model.vars}
        self.taken |= bound_in(model)
        bound = {"x": next(self.names("x")), "q": next(self.names("q"))}
        self.atoms = self._read([renamed(p, bound) for p in Vocabulary(model, byzantine).atoms()])

    def names(self, base: str) -> Iterator[str]:
        """Names like this one that are free."""
        letters = "abcdefghijklmnopqrstuvwxyz"
        start = letters.index(base) if base in letters else 0
        for round_ in ["", *map(str, range(2, 100))]:
            for i in range(26):
                name = letters[(start + i) % 26] + round_
                if name not in self.taken:
                    yield name

    def _read(self, patterns: list[Pattern]) -> list[Atom]:
        """What the front end makes of the texts, without those that it refuses."""
        source = self.model.source
        first = source.text.count("\n") + 2
        names = [f"slot_{i}" for i in range(9)]
        while patterns:
            lines = [f"lemma atom_{i}: {_over(p, names)}" for i, p in enumerate(patterns)]
            try:
                model = load_model(Source(source.name, "\n".join([source.text, *lines, ""])))
            except SpecErrors as wrong:
                bad = {d.span.line - first for d in wrong.diagnostics}
                kept = [p for i, p in enumerate(patterns) if i not in bad]
                if len(kept) == len(patterns):
                    return []
                patterns = kept
                continue
            found = {p.name: p.expr for p in model.properties}
            return [_atom(p, found[f"atom_{i}"]) for i, p in enumerate(patterns)]
        return []

    # as text

    def text(self, c: Clause) -> str:
        """A clause as a formula of the language."""
        c = c.canonical
        names: list[str] = []
        free: dict[str, Iterator[str]] = {}
        for t in c.types:
            base = t[0].lower() if t[0].isalpha() else "n"
            names.append(next(n for n in free.setdefault(t, self.names(base)) if n not in names))
        heads = [f"{', '.join(n for n, u in zip(names, c.types, strict=True) if u == t)}: {t}" for t in dict.fromkeys(c.types)]
        body = self._body(c, names)
        return f"forall {', '.join(heads)}. {body}" if heads else body

    def _body(self, c: Clause, names: list[str]) -> str:
        said = {sign: [self.atoms[a].pattern.filled(names[v] for v in vs) for a, vs, s in c.literals if s == sign]
                for sign in (True, False)}  # fmt: skip
        conclusion, premise = " or ".join(said[True]), " and ".join(said[False])
        if not said[False]:
            return conclusion
        return f"{premise} implies {conclusion}" if said[True] else f"not ({premise})"


def renamed(p: Pattern, names: dict[str, str]) -> Pattern:
    """A pattern with other names for what it binds."""
    import re

    return replace(p, text=re.sub(r"\b[xq]\b", lambda m: names[m[0]], p.text)) if "(exists q" in p.text else p


def _over(p: Pattern, names: list[str]) -> str:
    heads = ", ".join(f"{n}: {t}" for n, t in zip(names, p.slots, strict=False))
    body = p.filled(names)
    return f"forall {heads}. {body}" if heads else body


def _atom(p: Pattern, e: Expr) -> Atom:
    slots: list[tuple[str, Type]] = []
    for _ in p.slots:
        assert isinstance(e, Quant)
        slots.append((e.name, e.domain.type.elem))  # type: ignore[attr-defined]
        e = e.body
    return Atom(p, tuple(slots), e)


def prefixes(words: Words, most: int, wide: bool = False) -> list[tuple[str, ...]]:
    """The types that a lemma may quantify over, the fewest first.  `wide`: as many of one as two atoms need that have no name in
    common."""
    need = Counter[str]()
    for a in words.atoms:
        for t, n in Counter(a.pattern.slots).items():
            need[t] = max(need[t], n)
    most_of = {t: 2 * n if wide else min(3, max(2, n)) for t, n in need.items()}
    out = [
        tuple(t for t, n in zip(most_of, row, strict=True) for _ in range(n))
        for row in product(*(range(n + 1) for n in most_of.values()))
        if sum(row) <= most
    ]
    return sorted(out, key=len)


def literals(words: Words, types: tuple[str, ...]) -> list[tuple[int, tuple[int, ...]]]:
    """The atoms about variables of these types; of those that say the same, one."""
    out = []
    for i, a in enumerate(words.atoms):
        choices = [[v for v, t in enumerate(types) if t == s] for s in a.pattern.slots]
        rows = list(product(*choices))
        if mirrored(a.pattern):
            out += [(i, row) for row in rows if row[0] < row[1]]
        else:
            out += [(i, row) for row in rows if a.pattern.cost or len(set(row)) == len(row)]
    return out


def mirrored(p: Pattern) -> bool:
    """Does it say the same with its two slots exchanged?"""
    left, _, right = p.text.partition(" == ")
    return len(p.slots) == 2 and p.filled(["$1", "$0"]) == f"{right} == {left}"


__all__ = ["Atom", "Clause", "Literal", "Words", "literals", "prefixes"]
