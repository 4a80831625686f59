"""Finds lemmas for a proof: small instances are explored, clauses that no reachable state breaks are proved backward from what is
to be shown, and what was found is put into the spec, as text, and proved there.

What is found is only believed because the spec with these lines in it is proved like any other.  A lemma that fails there is
never used again, and the search goes on, until there is a proof, nothing is left to try, or the time is over.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from checker.core.bind import BindError, Instance, bind
from checker.core.meaning import State
from checker.core.model import Model
from checker.core.operators.table import TypeMismatch
from checker.core.types import Bool, Enum, Infinite, Int
from checker.deadline import Late, left, until
from checker.engines.smt import plan as p
from checker.engines.smt.plan import Answered, Query
from checker.engines.smt.terms import TooLarge
from checker.engines.smt.unbounded.induction import Unbounded
from checker.language.load import load_model
from checker.lemmas.anysize import AnySize, harmless
from checker.lemmas.atoms import Atom, Clause, Words
from checker.lemmas.backward import Backward, Tried
from checker.lemmas.bounded import Bounded
from checker.lemmas.pool import Pool
from checker.lemmas.samples import Judge
from checker.proof import Proof, Settings, compiled, prove
from checker.source import Source
from checker.verdict import Limits, Verdict

SECONDS = 120.0  # for everything, if nothing else is said
MOST_STATES, MORE_STATES = 20_000, 2_000  # of the instance that is looked at, of each that only judges
MOST_IDENTITIES, MOST_NUMBER = 3, 3  # of a sort, of a parameter, where lemmas are looked for
EXPLORING = 10.0  # seconds, for each
MANY = 5  # identities that form quorums
VARIABLES, LITERALS = 4, 4  # of a lemma


@dataclass
class Found:
    """What came of it.  `lemmas`: lines for the spec; `proof`: of the spec with them, if there is one."""

    lemmas: list[str] = field(default_factory=list)
    proof: Proof | None = None
    tried: Tried = field(default_factory=Tried)
    why: str = ""  # why there is no proof
    sizes: str = ""  # of the instance where lemmas were looked for
    seconds: float = 0.0


@dataclass
class Finder:
    """One search for lemmas: of an instance, or (`unbounded`) for any sizes."""

    instance: Instance
    settings: Settings
    unbounded: bool
    seconds: float = SECONDS
    found: Found = field(default_factory=Found)

    def __post_init__(self) -> None:
        self.started = time.perf_counter()
        self.end = self.started + self.seconds
        self.settings = replace(self.settings, end=self.end)
        self.model: Model = self.instance.model
        self.samples: list[tuple[Instance, list[State]]] = []
        self.fine = True
        self.names: dict[str, Clause] = {}
        self.encoded: Unbounded | None = None
        self.wrong: set[Clause] = set()  # lemmas that fail at other sizes

    def run(self) -> Found:
        """Looks for lemmas until there is a proof.  Raises Refused."""
        try:
            with until(self.end):
                self.found.why = self._search() or ""
        except Late:
            self.found.why = "the time was over"
        except TooLarge as why:
            self.found.why = f"the solver cannot represent the instance: {why}"
        self.found.seconds = time.perf_counter() - self.started
        return self.found

    def _search(self) -> str | None:
        """Why there is no proof; None: there is one."""
        where = self._first()
        if where is None:
            return "what is to be proved is false at small sizes, or too large to be explored"
        self._look_around(where)
        self.words = Words(self.model, self._byzantine())
        self.words.atoms = self._encodable(self.words) if self.unbounded else self.words.atoms
        why: str | None = None
        while where is not None:
            why = self._at(where)
            if why is None or not self.unbounded:
                return why
            where = self._larger(where)
        return why

    def _byzantine(self) -> list[str]:
        faults = self.model.instances[self.instance.name].faults if self.instance.name in self.model.instances else ()
        return [f.target for f in faults if f.kind == "byzantine" and f.target]

    def _at(self, where: Instance) -> str | None:
        """Looks for lemmas with which this instance is proved; for any size then for those that are missing."""
        judges = [(self._judge(i), states) for i, states in self.samples]
        tried = self.found.tried
        tried.atoms = len(self.words.atoms)
        tried.variables, tried.literals = VARIABLES, LITERALS
        self.found.sizes = ", ".join(f"{n} = {v}" for n, v in where.sizes.items() if n in self._open_sizes())
        judge = next(j for j, _ in judges if j.instance is where)
        deadlock = self.settings.deadlock and not self.unbounded
        left(self.end)
        oracle = Bounded(where, self.words, judge, deadlock, self.end, not self.unbounded)
        for wide in (False, True):  # with more names, only if it cannot be helped: there are many more clauses
            pool = Pool(self.words, judges, VARIABLES + wide, LITERALS, wide)
            pool.banned |= self.wrong
            search: Backward = Backward(oracle, pool, tried)
            clauses = search.run()
            if clauses is not None:
                break
        if clauses is None:
            return "there is a counterexample to induction that no such lemma excludes"
        self._name(clauses)
        if self.unbounded:
            assert self.encoded
            hints = search.needed() | oracle.implied(clauses)
            search = Backward(AnySize(self.encoded, self.words, self.end, hints), pool, tried, clauses, hints)
            clauses = search.run()
            self.wrong |= pool.banned
            if clauses is None:
                return "what was found is not enough for other sizes"
            self._name(clauses)
        proof = self._proof(search)
        self.found.proof = proof if proof.verdict is Verdict.HOLDS else None
        return None if self.found.proof else "with what was found the proof does not go through"

    def _judge(self, instance: Instance) -> Judge:
        left(self.end)
        return Judge(instance, self.words.atoms)

    def _name(self, clauses: list[Clause]) -> None:
        self.names = dict(zip(self._fresh(), clauses, strict=False))
        self.found.lemmas = [f"lemma {n}: {self.words.text(c)}" for n, c in self.names.items()]

    # instances

    def _first(self) -> Instance | None:
        """The instance where lemmas are looked for, its states among the samples."""
        for small in self._descending():
            if self._sample(small, MOST_STATES):
                return small
            if not self.fine:
                return None
        return None

    def _look_around(self, where: Instance) -> None:
        """More samples, so that what is only so at these sizes is not taken for a lemma."""
        if self.unbounded:
            for other in self._around(where):
                self._sample(other, MORE_STATES)

    def _larger(self, where: Instance) -> Instance | None:
        """A larger instance to look at: of all sizes one more, as far as that can be explored."""
        sizes = {n: where.sizes[n] for n in self._open_sizes()}
        rows = sorted(product((1, 0), repeat=len(sizes)), key=lambda r: (-sum(r), r))[:-1]
        for row in rows:
            other = self._bound({n: v + d for (n, v), d in zip(sizes.items(), row, strict=True)})
            if other is not None and self._sample(other, MOST_STATES):
                return other
        return None

    def _sample(self, instance: Instance, most: int) -> bool:
        """Adds up to so many states of an instance to the samples; were these all?"""
        left(self.end)
        states, fine, whole = explored(instance, self.settings, most, min(EXPLORING, left(self.end)))
        self.fine = self.fine and fine
        if fine and states and (whole or most == MORE_STATES):
            self.samples.append((instance, states))
            self.found.tried.states += len(states)
        return fine and whole and bool(states)

    def _open_sizes(self) -> list[str]:
        """The names of what has a size."""
        return [*self.model.sorts, *(n for n, d in self.model.params.items() if isinstance(d.type, Int))]

    def _descending(self) -> Iterator[Instance]:
        """This instance (no larger than need be), then smaller ones."""
        most = {n: MOST_IDENTITIES if n in self.model.sorts else MOST_NUMBER for n in self._open_sizes()}
        sizes = {n: self.instance.sizes[n] for n in most}
        if self.unbounded:
            sizes = {n: min(v, most[n]) for n, v in sizes.items()}
        while True:
            if (i := self._bound(sizes)) is not None:
                yield i
            large = max(sizes, key=lambda n: sizes[n], default=None)
            if large is None or sizes[large] <= 1:
                return
            sizes = {**sizes, large: sizes[large] - 1}

    def _around(self, where: Instance) -> Iterator[Instance]:
        """Instances with one size more or less, and the smallest; where there are quorums, also a large one."""
        sizes = {n: where.sizes[n] for n in self._open_sizes()}
        tried = [{**sizes, n: k} for n, v in sizes.items() for k in range(1, v + 2) if k != v]
        least = dict.fromkeys(sizes, 1)
        wide = [{**least, q.sort: MANY} for q in self.model.quorums.values()]
        for other in [least, *tried, *wide]:
            if (i := self._bound(other)) is not None:
                yield i

    def _bound(self, sizes: dict[str, Any]) -> Instance | None:
        if all(self.instance.sizes[n] == v for n, v in sizes.items()):
            return self.instance
        fixed = {n: v for n, v in self.instance.sizes.items() if isinstance(self._type(n), Bool | Enum)}
        try:
            return bind(self.model, self.instance.name, {**fixed, **sizes})
        except (BindError, TypeMismatch, Infinite):
            return None

    def _type(self, name: str) -> Any:
        d = self.model.params.get(name)
        return d.type if d else None

    def _encodable(self, words: Words) -> list[Atom]:
        """The atoms that can be said without sizes, in the sense in which they do no harm there."""
        from checker.proof_any import prepare

        _, self.encoded = prepare(self.instance, self.settings)
        found = (harmless(self.encoded, a) for a in words.atoms)
        return [a for a in found if any(a.signs)]

    # the proof

    def _fresh(self) -> Iterator[str]:
        taken = {x.name for x in self.model.properties} | set(self.model.defs) | set(self.model.vars)
        yield from (n for i in range(1, 1000) if (n := f"Found{i}") not in taken)

    def _proof(self, search: Backward) -> Proof:
        """Of the spec with what was found."""
        source = self.model.source
        model = load_model(Source(source.name, "\n".join([source.text.rstrip("\n"), *self.found.lemmas, ""])))
        instance = bind(model, self.instance.name, {**self.instance.sizes})
        if not self.unbounded:
            return prove(instance, self.settings)
        return self._any(instance, search)

    def _any(self, instance: Instance, search: Backward) -> Proof:
        """For any size: each query first with only what was needed for it when it was found."""
        from checker.proof_any import prepare

        started = time.perf_counter()
        proof, encoded = prepare(instance, self.settings)
        names = {c: n for n, c in self.names.items()}
        hints = {
            (kind, names[clause] if clause else target, action): [names[c] for c in core if c in names]
            for (kind, target, clause, action), core in search.needed().items()
            if clause is None or clause in names
        }

        def ask(q: Query) -> Answered:
            left(self.end)
            where = proof.actions[q.action] if q.action is not None else ""
            given = hints.get((q.kind, q.target, where))
            if given is not None and q.kind != p.INITIALLY:
                own = [q.target] if q.kind == p.PRESERVED and q.target else []
                more = [n for n in (*proof.plan.lemmas, *proof.plan.invariants) if n not in self.names]
                first = encoded.ask(replace(q, given=tuple(dict.fromkeys([*given, *own, *more]))), proof.settings.timeout)
                if first.status == "proved":
                    return replace(first, query=q)
            return encoded.ask(q, proof.settings.timeout)

        built = time.perf_counter()
        for name in proof.plan.invariants:
            proof.answered.append(ask(proof.plan.implied(name, proof.implied)))
        for q in proof.plan.rest(proof.implied):
            proof.answered.append(ask(q))
            if q.kind != p.POSSIBLE and proof.answered[-1].status != "proved":
                break
        done = time.perf_counter()
        proof.seconds = {"encode": built - started, "solve": done - built, "explain": 0.0}
        return proof


def explored(instance: Instance, settings: Settings, most: int, seconds: float) -> tuple[list[State], bool, bool]:
    """States of an instance, whether nothing is wrong in them, and whether they are all."""
    from checker.answer import Unable, explore_with

    try:
        compiled(instance, settings)
        limits = Limits(max_states=most, time_limit=seconds)
        with explore_with(instance, limits, settings.deadlock) as (search, result):
            fine = result.verdict in (Verdict.HOLDS, Verdict.UNKNOWN) or result.trace is None
            return list(search.states()), fine, result.exhaustive
    except Unable:
        return [], True, False


__all__ = ["Finder", "Found"]
