"""Why a text cannot be read, in the words of whoever wrote it: from what the parser says to a Diagnostic.

SLIPS is the table of what people write instead of what they mean; the rest is said by what could have stood there.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any

from lark import Token
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from checker.errors import Diagnostic
from checker.language import syntax as s
from checker.language.build import instead
from checker.language.layout import BadIndent
from checker.language.syntax import DECLARATIONS, MEMBERS, STATEMENTS
from checker.source import Source, Span

OPERANDS = ("NAME", "NUMBER", "NOT", "LPAR", "FORALL", "EXISTS", "SELF", "SENT", "TRUE", "FALSE", "NONE")

# Words of other languages at the beginning of a line.
SYNONYMS = {
    **dict.fromkeys(["when", "guard", "await", "assert", "precondition"], "did you mean `require`?"),
    **dict.fromkeys(["const", "constant", "constants", "parameter"], "did you mean `param`?"),
    **dict.fromkeys(["variable", "variables", "vars", "state"], "did you mean `var`?"),
    **dict.fromkeys(["struct", "class", "datatype"], "did you mean `record`?"),
    **dict.fromkeys(["property", "safety", "always", "theorem"], "did you mean `invariant`?"),
    **dict.fromkeys(["broadcast", "emit"], "did you mean `send`?"),
    **dict.fromkeys(["func", "function", "fn", "let", "pred", "predicate"], "did you mean `def`?"),
    **dict.fromkeys(["while", "loop"], "`for x in S` runs once for every element"),
    "return": "an action returns nothing; what others shall know is sent",
    "import": "a spec is one file",
}

# fmt: off
# What stands before the place (a group is marked, too), what stands there; what it is; what to write.
SLIPS: list[tuple[str, str, str, str]] = [
    (r"(&)$", r"&", "`&&` is not an operator", "write `and`"),
    (r"(\|)$", r"\|", "`||` is not an operator", "write `or`"),
    (r"", r"!(?!=)", "`!` is not an operator", "write `not`"),
    (r"", r"~", "`~` is not an operator", "write `not`"),
    (r"", r"<?->", "`->` stands only in the type of a map", "write `implies`, or `==` for equivalence"),
    (r"", r"=>", "`=>` is not an operator", "write `implies`"),
    (r"(<=)$", r">", "`<=>` is not an operator", "write `==`"),
    (r"(<)$", r">", "`<>` is not an operator", "write `!=`"),
    (r"", r"/\\", r"`/\` is not an operator", "write `and`"),
    (r"", r"\\/", r"`\/` is not an operator", "write `or`"),
    (r"", r"/", "`/` is not an operator", "write `//` for division of whole numbers"),
    (r"(\*)$", r"\*", "`**` is not an operator", "there are no powers"),
    (r"^\s*(?:choose|for)\s+\w+\s*$", r":", "the elements come from a set", "write `in`: a type name is the set of its values"),
    (r"\bfor\s+\w+\s*$", r":", "the elements come from a set", "write `in`: a type name is the set of its values"),
    (r"", r"(\+\+|--)", "`++` and `--` are not operators", "write `x += 1`"),
    (r"^\s*(?:if|elif|for|action|on|process|single)\b.*$", r":\s*(#.*)?$",
     "a block has no `:` before it", "end the line here; the block is indented"),
    (r"^\s*else$", r":\s*(#.*)?$", "a block has no `:` before it", "end the line here; the block is indented"),
    (r"^\s*else\s+$", r"if\b", "`else if` is one word", "write `elif`"),
    (r"^\s*(?:elseif|elsif|elsewhen)\b.*$", r".*", "`else if` is one word", "write `elif`"),
    (r"^\s*let\s+\w+\s*$", r":=", "`let` names a value once and for all", "write `=`"),
    (r"^\s*(?:param|type|enum|var|durable|ghost|def)\b.*$", r":=", "`:=` is for assignments in actions", "write `=`"),
    (r"^\s*(?:var|durable|ghost|param)\s+\w+\s*$", r"=", "the type is missing", "`x: T = …`"),
    (r"^\s*(?:require|if|elif|invariant|lemma|step|reachable|terminal|assume)\b.*$", r"=(?![=>])",
     "`=` does not compare", "write `==`"),
    (r"^\s*def\b[^=]*=.*$", r"=(?![=>])", "`=` does not compare", "write `==`"),
    (r"^\s*[\w.\[\]']+\s*$", r"==",
     "this compares, and nothing is done with the result", "write `:=` to assign, or `require` before it"),
    (r"^\s*[\w.]+(?:\[.*\])?'?\s*$", r"=(?![=>])", "`=` does not assign", "write `:=`"),
    (r":=.*$", r"=(?![=>])", "`=` does not compare", "write `==`"),
    (r"\bin\b[^.]*$", r"\.\.",
     "`a..b` is a type, not a set", "the set is `range(a, b + 1)`; a quantifier may also say `x: a..b`"),
    (r"\b(?:forall|exists)\b[^.]*$", r"\s*(#.*)?$", "the body of a quantifier follows a `.`", "`forall x: T. …`"),
    (r"\b(?:forall|exists)\s+[\w, ]+$", r"\.",
     "what do these range over?", "`forall x: T. …` for a type, `forall x in S. …` for a set"),
    (r"\b(?:forall|exists)\b[^.]*$", r":", "the body of a quantifier follows a `.`", "`forall x: T. …`"),
    (r"\b(?:forall|exists)\s+[^.]*:\s*\w+\s*(?:,\s*\w+\s*)?$", r"([(\[=<>!+\-*%&|]|and\b|or\b|implies\b)=?",
     "the body of a quantifier follows a `.`", "`forall x: T. …`"),
    (r"", r"\.\.", "`a..b` is a type, not a value", "the set is `range(a, b + 1)`"),
    (r"\bif\b.*$", r"then\b", "there is no `then`", "`a if c else b` is a value; a statement is `if c` with an indented block"),
    (r"^\s*instance\b.*(=)$", r"=", "`==` compares", "write `=`"),
    (r"^\s*(?:var|durable|ghost|record|message|param|def|type)\b.*:\s*\w+\s*$", r"\|",
     "types are not joined by `|`", "`T?` is a T or none"),
    (r"^\s*on\s+\w+\s*\([\w, ]*$", r":", "the message says of which types its fields are", "only names here: `on M(a, b)`"),
    (r"", r"'", "there are no strings here", "name the values in an `enum`"),
    (r"", r"\"[^\"]*$", "this text does not end", "close it with `\"` on the same line"),
    (r"", r"\"", "there are no strings here", "name the values in an `enum`"),
    (r"", r";", "`;` separates nothing", "statements stand on lines of their own, items of an instance are separated by `,`"),
    (r"\b(?:set|seq|bag)$", r"[(<]", "the type of the elements stands in `[…]`", "`set[T]`, `seq[T, n]`, `bag[T, n]`"),
    (r"\bmap\s*$", r"\[", "a map is not written so", "`map K -> V`"),
    (r"\bmap\s+\w+\s*$", r"(to\b|:|=>|,)", "a map is not written so", "`map K -> V`"),
]
# fmt: on


def explain(source: Source, error: Exception) -> Diagnostic:
    """The diagnostic for one failure of the parser."""
    if isinstance(error, BadIndent):
        columns = ", ".join(map(str, error.wanted[:-1])) + f" or {error.wanted[-1]}"
        return Diagnostic(
            "E104", "this indentation is that of no line above", error.span, source, f"{columns} blanks before the first word"
        )
    assert isinstance(error, UnexpectedInput)
    if isinstance(error, UnexpectedCharacters):
        return _character(source, error)
    assert isinstance(error, UnexpectedToken)
    return _token(source, error)


def accepted(e: UnexpectedInput) -> frozenset[str]:
    """The terminals that could have stood there."""
    parser: Any = e.interactive_parser
    return frozenset(parser.accepts())


def _slip(source: Source, line: int, column: int) -> tuple[str, str, Span] | None:
    """The usual slip at this place: message, hint, and what to mark."""
    text = source.line(line)
    before, here = text[: column - 1], text[column - 1 :]
    for left, right, message, hint in SLIPS:
        found = re.match(right, here)
        if found and (behind := re.search(left, before)):
            start = behind.start(1) + 1 if behind.lastindex else column
            width = len(re.sub(r"\s*(#.*)?$", "", found.group(0))) or 1
            return message, hint, Span(line, start, line, column + width)
    return None


def _character(source: Source, e: UnexpectedCharacters) -> Diagnostic:
    slip = _slip(source, e.line, e.column)
    if slip:
        return Diagnostic("E103", slip[0], slip[2], source, None, slip[1])
    at = Span(e.line, e.column, e.line, e.column + 1)
    char = source.snippet(at)
    return Diagnostic("E102", f"`{char}` means nothing here", at, source, words(accepted(e)))


def _token(source: Source, e: UnexpectedToken) -> Diagnostic:
    token: Token = e.token
    accepts = accepted(e)
    line, column = token.line or 1, token.column or 1
    first = not source.line(line)[: column - 1].strip()
    if accepts == {"_INDENT"}:
        return _no_block(source, line, first)
    if first and token.type not in ("_NL", "$END") and not _opens_line(source, line, column):
        return _first_word(source, token, accepts)
    slip = _slip(source, line, column if token.type != "_NL" else _code_end(source.line(line)))
    if slip:
        return Diagnostic("E103", slip[0], slip[2], source, None, slip[1])
    before = (e.token_history or [None])[-1]
    if before is not None and before.type == "NAME" and before in s.RESERVED and "PLUS" in accepts:
        return _reserved(source, before)
    return _other(source, token, accepts)


def _reserved(source: Source, word: Token) -> Diagnostic:
    """A reserved word that was taken for a name, as one can only be sure of when the next word makes no sense."""
    at = Span(word.line or 1, word.column or 1, word.end_line or 1, word.end_column or 1)
    return Diagnostic("E103", f"`{word}` cannot stand here", at, source, "an expression", instead(word))


def _code_end(text: str) -> int:
    """The column after the last word of a line."""
    return len(re.sub(r"\s*#.*", "", text).rstrip()) + 1


def _opens_line(source: Source, line: int, column: int) -> bool:
    """Is this line inside a bracket that an earlier line opened?"""
    from checker.language.recover import open_before

    return open_before(source, line)


def _no_block(source: Source, line: int, first: bool) -> Diagnostic:
    """The line that needs a block is the last one with words above this place."""
    number = line - 1 if first else line
    while number > 1 and not re.sub(r"#.*", "", source.line(number)).strip():
        number -= 1
    text = re.sub(r"\s*#.*", "", source.line(number))
    at = Span(number, len(text) - len(text.lstrip()) + 1, number, len(text.rstrip()) + 1)
    process = text.split()[:1] == ["process"] or text.split()[:2] == ["single", "process"]
    expected = "indented variables, actions and `on …` below it" if process else "indented statements below it"
    return Diagnostic("E105", "the block is missing", at, source, expected, None if process else "`pass` does nothing")


def _first_word(source: Source, token: Token, accepts: frozenset[str]) -> Diagnostic:
    """The first word of a line is not one that can begin it."""
    line, column = token.line or 1, token.column or 1
    above = next((n for n in range(line - 1, 0, -1) if re.sub(r"#.*", "", source.line(n)).strip()), 0)
    indent = len(source.line(above)) - len(source.line(above).lstrip()) if above else 0
    at = Span(line, column, line, token.end_column or column + 1)
    if column - 1 > indent and "_NL" in accepts:
        expected = f"{indent} blanks before a new line of the block" if indent else "no blanks before a declaration"
        expected += f", or the rest of line {above}"
        return Diagnostic("E104", f"this line is indented deeper than line {above}, so it continues it", at, source, expected)
    if token.type in ("_INDENT",) or (column > 1 and accepts & {"SORT", "PROTOCOL"}):
        return Diagnostic(
            "E104", "this line is indented, but no line above opens a block", at, source, "no blanks before a declaration"
        )
    if "_NL" not in accepts and above and "_DEDENT" not in accepts and not accepts & {"SORT", "REQUIRE", "ON"}:
        end = _code_end(source.line(above))
        return Diagnostic(
            "E103",
            f"line {above} is not finished",
            Span(above, end, above, end + 1),
            source,
            words(accepts),
            "go on in the next line inside brackets, or indented deeper",
        )
    known = [w for w in (DECLARATIONS if column == 1 else [*MEMBERS, *STATEMENTS]) if w.upper() in accepts]
    near = get_close_matches(token, known or DECLARATIONS, 1, 0.7)
    hint = SYNONYMS.get(token) or (f"did you mean `{near[0]}`?" if near else _misplaced(token))
    return Diagnostic("E103", f"a line cannot begin with `{token}` here", at, source, words(accepts), hint)


def _misplaced(token: str) -> str | None:
    """Where a word that cannot stand here belongs."""
    if token == "var":
        return "`let` names a value; variables are declared outside actions"
    if token in ("on", "durable"):
        return f"`{token}` belongs inside a `process`"
    if token in STATEMENTS:
        return f"`{token}` belongs inside an `action` or `on`"
    if token in DECLARATIONS:
        return f"`{token}` is a declaration: write it without blanks before it"
    return None


def _other(source: Source, token: Token, accepts: frozenset[str]) -> Diagnostic:
    line, column = token.line or 1, token.column or 1
    text = source.line(line)
    before = re.match(r"\s*(\w+)\s+$", text[: column - 1])
    if before and before.group(1).upper() not in accepts and "FIELD" in accepts and token.type in OPERANDS:
        return _unknown_word(source, line, before.group(1), before.start(1) + 1, accepts)
    if token.type in ("_NL", "$END"):
        end = _code_end(text)
        return Diagnostic(
            "E103", "the line ends too early", Span(line, end, line, end + 1), source, words(accepts), _unfinished(accepts)
        )
    at = Span(line, column, token.end_line or line, token.end_column or column + 1)
    if token.type in ("_INDENT", "_DEDENT"):
        return Diagnostic("E104", "the indentation changes here", at, source, words(accepts))
    hint = _comma(accepts) or (f"`{token}` is a reserved word" if token in s.RESERVED and "NAME" in accepts else None)
    return Diagnostic("E103", f"`{token}` cannot stand here", at, source, words(accepts), hint)


def _comma(accepts: frozenset[str]) -> str | None:
    return (
        "two values need something between them: `,` or an operator"
        if {"COMMA", "PLUS"} <= accepts and "RPAR" in accepts
        else None
    )


def _unfinished(accepts: frozenset[str]) -> str | None:
    if accepts == {"ELSE"}:
        return "`a if c else b` needs its `else`"
    if "FORALL" in accepts and "EQUAL" not in accepts:
        return "an expression goes on in the next line inside brackets, or indented deeper"
    return None


def _unknown_word(source: Source, line: int, word: str, column: int, accepts: frozenset[str]) -> Diagnostic:
    """`requre x > 3`: what was taken for a variable does not go on like one."""
    near = get_close_matches(word, STATEMENTS, 1, 0.7)
    hint = SYNONYMS.get(word) or (f"did you mean `{near[0]}`?" if near else _misplaced(word))
    at = Span(line, column, line, column + len(word))
    return Diagnostic(
        "E103",
        f"a line cannot begin with `{word}` here",
        at,
        source,
        "require, discard, let, choose, if, for, send, pass, or an assignment",
        hint,
    )


# ── what could have stood there ──────────────────────────────────────────────────────────────────────────────────────

# fmt: off
PUNCTUATION = {
    "EQUAL": "=", "COLON": ":", "LPAR": "(", "RPAR": ")", "COMMA": ",", "QMARK": "?", "LSQB": "[", "RSQB": "]", "MINUS": "-",
    "PLUS": "+", "STAR": "*", "PERCENT": "%", "LESSTHAN": "<", "MORETHAN": ">", "VBAR": "|", "AMPERSAND": "&", "DOT": ".",
    "QUOTE": "'", "LBRACE": "{", "RBRACE": "}", "FIELD": ".",
}

# Name of a group; the words that are a sign of it; the words it stands for, which are then not listed on their own.
GROUPS: list[tuple[str, str, str]] = [
    ("a declaration", "SORT PARAM INVARIANT",
     "PROTOCOL SORT PARAM TYPE ENUM RECORD QUORUM NETWORK MESSAGE ASSUME VAR GHOST DURABLE DEF ACTION PROCESS SINGLE"
     " INVARIANT LEMMA STEP REACHABLE TERMINAL INSTANCE $END"),
    ("a variable, definition, action or `on …`", "ON DURABLE", "VAR GHOST DURABLE DEF ACTION ON _DEDENT"),
    ("a statement", "REQUIRE SEND",
     "REQUIRE LET CHOOSE IF FOR PASS SEND NAME NUMBER TRUE FALSE NONE SELF SENT LPAR LSQB LBRACE _DEDENT ELIF ELSE"),
    ("an expression", "NAME FORALL", "NAME NUMBER TRUE FALSE NONE SELF SENT LPAR LSQB LBRACE NOT MINUS FORALL EXISTS"),
    ("a value", "NAME SELF", "NAME NUMBER TRUE FALSE NONE SELF SENT LPAR LSQB LBRACE"),
    ("a type", "MAP SEQ", "NAME NUMBER MAP SET SEQ BAG LPAR MINUS"),
    ("an operator", "AND PLUS",
     "AND OR IMPLIES NOT IN SUBSET PLUS MINUS STAR PERCENT VBAR AMPERSAND LESSTHAN MORETHAN IF WITH FIELD LSQB QUOTE"
     " __== __!= __<= __>= __//"),
    ("an operator", "PLUS STAR", "PLUS MINUS STAR PERCENT __//"),
    ("an item", "FAULT BOUND", "FAULT BOUND VOLATILE DURABLE SLOW EXPECT NAME"),
    ("a part of a variable", "FIELD QUOTE", "FIELD QUOTE LSQB"),
]
# fmt: on


def words(accepts: frozenset[str]) -> str:
    """The acceptable terminals, for people."""
    left = {f"__{terminal_text(t)}" if t.startswith("__") else t for t in accepts} - {"_DEDENT"}
    out: list[str] = []
    for name, signs, members in GROUPS:
        if set(signs.split()) <= left:
            left -= set(members.split())
            out.append(name)
    out += sorted(_word(t) for t in left)
    return ", ".join(out[:-1]) + (" or " if len(out) > 1 else "") + out[-1] if out else "nothing more"


def _word(terminal: str) -> str:
    special = {
        "NAME": "a name",
        "NUMBER": "a number",
        "STRING": "a text in quotes",
        "_NL": "the end of the line",
        "_INDENT": "an indented block",
        "$END": "the end",
    }
    if terminal in special:
        return special[terminal]
    text = terminal[2:] if terminal.startswith("__") else PUNCTUATION.get(terminal, terminal.lower())
    return f"`{text}`"


def terminal_text(name: str) -> str:
    """What an operator without a name of its own looks like."""
    from checker.language.parse import parser

    return next(t.pattern.value for t in parser().terminals if t.name == name)
