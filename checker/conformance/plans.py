"""The steps that a line may stand for, as a binding writes them: `Propose(v = value)`, `receive; Advance?`, `A | B`, `Apply*`.

`;` is one after the other, `|` one or another, `?` perhaps, `*` any number of times, `{n}` as many times as the field n
says (then `i` counts from 0 in the arguments). A step is named `Action`, `Process.Action`, `on Message`, `crash Process`,
`stop Process`, `loss`, `duplication`, or `receive`: whatever handles the message that the event received.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Any

from checker.conformance.binding import Binding, Texts
from checker.conformance.fields import Getter, Reader
from checker.conformance.messages import Messages
from checker.conformance.phrases import Speaker
from checker.core.bind import Instance, Transition, statements
from checker.core.ir import Choose, base_name
from checker.core.types import Type
from checker.settings import Mistake, nearest


@dataclass(frozen=True, eq=False)
class Call:
    """One action with its arguments: name → (type, field, the field's text).  `named`: those given by [names] of the same name.
    `told`: it takes the message that the event received, and nothing else."""

    action: Transition
    args: dict[str, tuple[Type, Getter, str]]
    named: tuple[str, ...]
    indexed: bool = False
    told: bool = False


@dataclass(frozen=True, eq=False)
class Item:
    """One place of a plan.  kind: "" once, "?" perhaps, "*" any number of times, "n" as often as `count` says."""

    calls: tuple[Call, ...]
    kind: str = ""
    count: Getter | None = None


class Planner:
    """Reads plans."""

    def __init__(self, binding: Binding, instance: Instance, reader: Reader, speaker: Speaker, messages: Messages) -> None:
        self.binding, self.instance, self.reader, self.speaker, self.messages = binding, instance, reader, speaker, messages

    def plan(self, text: str, args: Texts, near: Any) -> list[Item]:
        """The items of a plan.  Raises Mistake."""
        used: set[str] = set()
        items = [self._item(part.strip(), args, used, near) for part in _split(text, ";") if part.strip()]
        unknown = [a for a in args if a not in used]
        if unknown:
            have = sorted({n for i in items for c in i.calls for n in _parameters(c.action)})
            hint = nearest(unknown[0], have) or (f"there are {', '.join(have)}" if have else None)
            raise self.binding.mistake(f"no step of `{text}` has a parameter or choice `{unknown[0]}`", near, hint)
        return items

    def _item(self, text: str, args: Texts, used: set[str], near: Any) -> Item:
        kind, count = "", None
        times = re.fullmatch(r"(\([^{]*\)|[^({]+)\{([^{}]*)\}(.*)", text)
        if times:
            kind, count, text = "n", self._field(times[2], near), times[1].strip() + times[3]
        elif text[-1] in "?*":
            kind, text = text[-1], text[:-1].strip()
        if text.startswith("(") and text.endswith(")"):
            text = text[1:-1]
        calls = [c for part in _split(text, "|") for c in self._calls(part.strip(), args, used, near)]
        return Item(tuple(calls), kind, count)

    def _field(self, text: Any, near: Any) -> Getter:
        try:
            return self.reader.read(text)
        except Mistake as why:
            raise self.binding.mistake(why.text, near, why.hint) from None

    def _calls(self, text: str, args: Texts, used: set[str], near: Any) -> list[Call]:
        name, bracket, inside = text.partition("(")
        own: Texts = {}
        if bracket:
            own = self._arguments(inside, text, near)
        told = name.strip() == "receive"
        return [self._call(a, {**args, **own}, set(own), used, near, told) for a in self._actions(name.strip(), near)]

    def _arguments(self, inside: str, text: str, near: Any) -> Texts:
        try:
            call = ast.parse("f(" + inside, mode="eval").body
        except SyntaxError:
            call = None
        if not isinstance(call, ast.Call) or call.args or any(k.arg is None for k in call.keywords):
            raise self.binding.mistake(f"`{text}`: arguments are written `name = field`", near)
        return {str(k.arg): ast.unparse(k.value) for k in call.keywords}

    def _actions(self, name: str, near: Any) -> list[Transition]:
        actions = self.instance.actions
        if name == "receive":
            if self.binding.receive.when == "false":
                raise self.binding.mistake("`receive` needs a [receive] that says when a message is received", near)
            return [a for a in actions if a.receive]
        process, dot, rest = name.partition(".")
        found = [
            a
            for a in actions
            if (a.name.split("#")[0] == name and (a.kind != "action" or a.name == name))
            or (dot and a.process == process.strip() and a.name.split("#")[0] == rest.strip())
        ]
        if not found:
            known = sorted({a.name.split("#")[0] for a in actions})
            hint = nearest(name, known) or f"there are {', '.join(known)}"
            if name.split(" ")[0] in ("crash", "stop", "loss", "duplication"):
                hint = f'declare it: `faults = ["{name.split(" ")[0]}{f"({name.split()[1]})" if " " in name else ""}"]`'
            raise self.binding.mistake(f"{self.instance.model.name} has no step `{name}`", near, hint)
        return found

    def _call(self, action: Transition, args: Texts, own: set[str], used: set[str], near: Any, told: bool) -> Call:
        parameters = _parameters(action)
        given = {n: x for n, x in args.items() if n in parameters}
        unknown = own - set(given)
        if unknown:
            hint = f"it has {', '.join(parameters)}" if parameters else "it has none"
            raise self.binding.mistake(f"`{action.name}` has no parameter or choice `{min(unknown)}`", near, hint)
        used.update(given)
        read = {n: (parameters[n], self._field(x, near), str(x)) for n, x in given.items()}
        indexed = any(isinstance(x, str) and re.search(r"\bi\b", x) for x in given.values())
        named = tuple(n for n in parameters if n not in given and n in self.speaker.names)
        return Call(action, read, named, indexed, told)


def _parameters(action: Transition) -> dict[str, Type]:
    """What an event may say about a step: its parameters and the choices in it."""
    out = {base_name(n): t for n, t in action.params}
    for s in statements(action.body):
        if isinstance(s, Choose):
            out.setdefault(base_name(s.name), s.type)
    return out


def _split(text: str, at: str) -> list[str]:
    """The parts between separators that stand in no bracket and no text."""
    parts, depth, quote = [""], 0, ""
    for c in text:
        if quote:
            quote = "" if c == quote else quote
        elif c in "\"'":
            quote = c
        depth += (c in "([{") - (c in ")]}")
        if c == at and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += c
    return parts
