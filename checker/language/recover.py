"""Reads as much as can be read of a text that does not parse, and says everything that is wrong with the rest.

The text is cut into top-level declarations, each parsed on its own.  Where one fails, the line to blame is told, then replaced
by a harmless one of its kind, and the declaration is tried again.  Lines keep their numbers, so places stay right.
Names in lines that were given up are returned as `torn`: later checks keep quiet about those.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches

from lark.exceptions import UnexpectedInput

from checker.errors import Diagnostic
from checker.language import syntax as s
from checker.language.build import Builder
from checker.language.explain import explain
from checker.language.layout import BadIndent
from checker.language.parse import CALLBACKS, run
from checker.language.syntax import DECLARATIONS, MEMBERS
from checker.source import Source, Span

BLOCKS = re.compile(r"(protocol|process|single|action|on|instance|if|elif|else|for)\b")
PLAIN = re.compile(r"(require|let|choose|if|for|send|pass|var|durable|ghost|action|on)\b|[\w.\[\]]+\s*(:=|\+=|-=)")
TRIES = 40  # faults of one declaration before the rest of it is given up


def recover(source: Source) -> tuple[s.File, list[Diagnostic], frozenset[str]]:
    """The readable declarations, the diagnostics, and the names that occur in what was given up."""
    decls: list[s.Decl] = []
    found: list[Diagnostic] = []
    torn: set[str] = set()
    for start, lines in chunks(source.text):
        chunk = Chunk(source, start, lines)
        decls += chunk.read()
        found += chunk.found
        torn |= chunk.torn
    return s.File(s.NOWHERE, decls), found, frozenset(torn)


def chunks(text: str) -> list[tuple[int, list[str]]]:
    """The top-level declarations: number of the first line, and the lines."""
    out: list[tuple[int, list[str]]] = [(1, [])]
    for number, line in enumerate(text.split("\n"), 1):
        if line and line[0] not in " #)]}" and bare(out[-1][1]):
            out.append((number, []))
        out[-1][1].append(line)
    return out


def bare(lines: list[str]) -> bool:
    """Do these lines say anything?"""
    return any(code(line).strip() for line in lines)


def code(line: str) -> str:
    """A line without its comment; texts in quotes are blanked."""
    without = re.sub(r'"[^"]*"', lambda m: '"' + " " * (len(m.group(0)) - 2) + '"', line)
    return without.split("#", 1)[0].rstrip()


@dataclass
class Logical:
    """A logical line: indices of its first and one past its last line in the chunk."""

    start: int
    end: int
    indent: int


class Chunk:
    """One top-level declaration that may be broken."""

    def __init__(self, source: Source, start: int, lines: list[str]) -> None:
        self.source, self.start, self.lines = source, start, list(lines)
        self.found: list[Diagnostic] = []
        self.torn: set[str] = set()

    def read(self) -> list[s.Decl]:
        """Its declarations, after as many repairs as it takes."""
        for attempt in range(TRIES):
            try:
                tree, builder = run("\n" * (self.start - 1) + "\n".join(self.lines) + "\n")
            except (UnexpectedInput, BadIndent) as e:
                if attempt or not self._brackets():
                    self._blame(self._noted() or explain(Source(self.source.name, self._text()), e))
                continue
            assert isinstance(tree, s.File)
            while d := self._noted(builder):
                self._note([d])
                self.torn |= set(re.findall(r"\w+", self.source.line(d.span.line)))
            return tree.decls
        self.torn |= set(re.findall(r"\w+", "\n".join(self.lines)))
        return []

    def _noted(self, builder: Builder | None = None) -> Diagnostic | None:
        """What the builder has noted itself, and not been asked for yet."""
        problems = (builder or CALLBACKS.builder).problems
        if not problems:
            return None
        code, text, span, expected, hint = problems.pop(0)
        return Diagnostic(code, text, span, self.source, expected, hint)

    def _text(self) -> str:
        return "\n" * (self.start - 1) + "\n".join(self.lines) + "\n"

    def _note(self, found: list[Diagnostic]) -> None:
        self.found += [Diagnostic(d.code, d.message, d.span, self.source, d.expected, d.hint) for d in found]

    # ── brackets ──

    def _brackets(self) -> bool:
        """Reports brackets without a partner, line by line, and repairs those lines; was there one?"""
        wrong = False
        for line in self.logical():
            span = self._unmatched(line)
            if span:
                bracket = self.source.snippet(span)
                opens = bracket in "([{"
                message = f"`{bracket}` is never closed" if opens else f"`{bracket}` closes nothing"
                partner = dict(zip("([{)]}", ")]}([{", strict=True))[bracket]
                expected = f"`{partner}`" if opens else f"`{partner}` before it"
                at_end = code(self.source.line(span.line)).endswith("{") or bracket == "}"
                hint = "blocks are made by indentation, without braces" if at_end else None
                self._note([Diagnostic("E106", message, span, self.source, expected, hint)])
                self._repair(line)
                wrong = True
        return wrong

    def _unmatched(self, line: Logical) -> Span | None:
        """The first bracket of a logical line that has no partner."""
        stack: list[tuple[str, Span]] = []
        for i in range(line.start, line.end):
            for column, char in enumerate(code(self.lines[i]), 1):
                at = Span(self.start + i, column, self.start + i, column + 1)
                if char in "([{":
                    stack.append((char, at))
                elif char in ")]}":
                    if not stack or stack[-1][0] + char not in ("()", "[]", "{}"):
                        return stack[-1][1] if stack else at
                    stack.pop()
        return stack[-1][1] if stack else None

    def logical(self) -> list[Logical]:
        """The logical lines: what is deeper continues, unless the line above opens a block."""
        out: list[Logical] = []
        for i, line in enumerate(self.lines):
            text = code(line)
            if not text.strip():
                continue
            indent = len(text) - len(text.lstrip())
            last = out[-1] if out else None
            if last and (text.lstrip()[0] in ")]}" or (indent > last.indent and not self._begins_block(last, text))):
                last.end = i + 1
            else:
                out.append(Logical(i, i + 1, indent))
        return out

    def _begins_block(self, head: Logical, text: str) -> bool:
        """Does this deeper line begin a block?  Not if a bracket of the head is open, unless it plainly is a statement."""
        if not BLOCKS.match(self.lines[head.start].lstrip()):
            return False
        return not self._unmatched(head) or bool(PLAIN.match(text.lstrip()))

    # ── repairs ──

    def _blame(self, d: Diagnostic) -> None:
        """Notes what is wrong and repairs the line it is in."""
        self._note([d])
        at = d.span.line - self.start
        line = next((x for x in reversed(self.logical()) if x.start <= at), None)
        if line is None:
            self.lines = []
        elif d.code == "E105":
            self._fill(line)
        elif d.code == "E104":
            self._level(line, at)
        else:
            self._repair(line)

    def _fill(self, line: Logical) -> None:
        """Makes a line that lacks its block one that needs none."""
        text = self.lines[line.start].strip()
        if text.startswith(("if", "for")):
            self._replace(line, "pass")
        elif line.indent and not text.startswith(("elif", "else")):
            self._replace(line, f"ghost broken_{self.start + line.start}: bool = true")
        else:
            self._replace(line, "")

    def _level(self, line: Logical, at: int) -> None:
        """Gives up a line whose indentation is wrong; it may seem to continue one that is fine."""
        if line.start == at:
            self._drop(line)
        else:
            self._replace(Logical(at, at + 1, 0), "")

    def _repair(self, line: Logical) -> None:
        """Puts a harmless line in the place of a broken one."""
        text = self.lines[line.start].strip()
        number = self.start + line.start
        inside = self._inside(line)
        word = re.match(r"\w*", text).group(0)  # type: ignore[union-attr]
        meant = self._meant(line, word)
        if meant:
            self.lines[line.start] = " " * line.indent + meant + text[len(word) :]
            return
        name = re.match(r"(?:single\s+)?\w+\s+(\w+)", text)
        if word in ("process", "single") and name and self._has_block(line):
            self._replace(line, f"{'single ' if word == 'single' else ''}process {name.group(1)}")
            if self.lines[line.start].strip() == text:
                self.lines = []
        elif word in ("action", "on") and self._has_block(line):
            self._replace(line, f"action broken_{number}")
            if self.lines[line.start].strip() == text:
                self._drop(line)
        elif word in ("if", "elif", "for") and self._has_block(line):
            self._replace(line, "elif true" if word == "elif" else "if true")
            if self.lines[line.start].strip() == text:
                self._drop(line)
        elif word == "else" and text != "else":
            self._replace(line, "else")
        elif line.indent == 0:
            self._drop(line)
        elif inside == "process":
            self._drop(line)
            self.lines[line.start] = " " * line.indent + f"ghost broken_{number}: bool = true"
        elif inside == "instance" or inside == "protocol":
            self._replace(line, "slow" if inside == "instance" else "")
        else:
            self._drop(line)
            self.lines[line.start] = " " * line.indent + "pass"

    def _meant(self, line: Logical, word: str) -> str | None:
        """The keyword that a misspelt first word of a declaration must be."""
        inside = self._inside(line)
        known = DECLARATIONS if line.indent == 0 else MEMBERS if inside == "process" else []
        if word in known:
            return None
        near = get_close_matches(word, known, 1, 0.7)
        return near[0] if near else None

    def _inside(self, line: Logical) -> str:
        """The first word of the innermost line that opens a block around this one."""
        indent = line.indent
        for other in reversed([x for x in self.logical() if x.start < line.start]):
            if other.indent < indent:
                word = re.match(r"\w*", self.lines[other.start].strip()).group(0)  # type: ignore[union-attr]
                return "process" if word == "single" else word
        return ""

    def _has_block(self, line: Logical) -> bool:
        """Is the next line deeper?"""
        return any(x.start >= line.end and x.indent > line.indent for x in self.logical()[self.logical_index(line) + 1 :][:1])

    def logical_index(self, line: Logical) -> int:
        return next(i for i, x in enumerate(self.logical()) if x.start == line.start)

    def _replace(self, line: Logical, text: str) -> None:
        """Another text for a logical line; what it said is torn."""
        for i in range(line.start, line.end):
            self.torn |= set(re.findall(r"\w+", code(self.lines[i])))
            self.lines[i] = ""
        self.lines[line.start] = " " * line.indent + text if text else ""

    def _drop(self, line: Logical) -> None:
        """No line, and none of those it holds."""
        end = next((x.start for x in self.logical() if x.start >= line.end and x.indent <= line.indent), len(self.lines))
        self._replace(Logical(line.start, end, line.indent), "")


def open_before(source: Source, line: int) -> bool:
    """Does a bracket of an earlier line still hold at this one?  (Of the same declaration.)"""
    depth = 0
    for number in range(1, line):
        text = source.line(number)
        if text and text[0] not in " #)]}":
            depth = 0
        depth += sum((c in "([{") - (c in ")]}") for c in code(text))
    return depth > 0


def diagnose_expression(source: Source, error: Exception) -> Diagnostic:
    """What is wrong with one expression on its own."""
    if isinstance(error, UnexpectedInput | BadIndent):
        return explain(source, error)
    raise error
