"""What must hold of each message over the whole file: who sends it, who handles it, who is it for.

Statements and expressions have noted every `send`, `on` and `sent`; here the sites of one message are held against each other.
"""

from __future__ import annotations

from checker.core import ir
from checker.core import model as m
from checker.core.types import INT, Int, Record, Type, Unknown
from checker.language.names import Message, Names, SendSite
from checker.language.typenames import TypeReader
from checker.language.wording import describe
from checker.source import Span


class Network:
    """Judges the messages of one file and makes their declarations."""

    def __init__(self, names: Names, types: TypeReader) -> None:
        self.names, self.types, self.report = names, types, names.report

    def declare(self) -> dict[str, m.MessageDecl]:
        return {name: self._message(message) for name, message in self.names.messages.items()}

    def _message(self, msg: Message) -> m.MessageDecl:
        to, sender = self._addressee(msg), self._sender(msg)
        if self.names.network != "set":
            self._one_receiver(msg)
        if self.names.network == "fifo":
            for site in [x for x in msg.sends if x.process is None]:
                self.report.error(
                    "E414",
                    f"no process sends `{msg.name}` here: a fifo channel leads from one process to another",
                    site.span,
                    "`send` in an action of a process",
                )
        self._looks(msg, to, sender)
        self._unused(msg)
        cap: ir.Expr | None = None
        if msg.decl.capacity:
            found = self.types.capacity(msg.decl.capacity)
            cap = ir.Const(INT, found, span=msg.decl.capacity.span) if isinstance(found, int) else found
        return m.MessageDecl(msg.name, Record(msg.name, tuple(msg.fields)), to, sender, cap, span=msg.decl.span)

    # ── to ──

    def _addressee(self, msg: Message) -> Type | None:
        """The identity type of the addressee, if the message is addressed."""
        first = next((x for x in msg.sends if x.to is not None), None)
        for site in msg.sends:
            if first and site.to is None:
                self.report.error(
                    "E412",
                    f"`{msg.name}` is sent without `to` here, and with it in line {first.span.line}",
                    site.span,
                    "always `to`, or never",
                    "declare two messages",
                )
            elif first and site is not first and not alike(first.to, site.to):
                self.report.error(
                    "E412",
                    f"`{msg.name}` is sent to another kind of process in line {first.span.line}",
                    site.to_span or site.span,
                    f"`{describe(first.to)}`" if first.to else None,
                    "declare two messages",
                )
        if first is None or first.to is None:
            return None
        return self._receiving(msg, first)

    def _receiving(self, msg: Message, site: SendSite) -> Type | None:
        """The process that handles an addressed message must have identities of the type it is sent to."""
        assert site.to is not None and site.to_span is not None
        at = site.to_span
        for process, handler in msg.handlers:
            if process.ident is None:
                self.report.error(
                    "E416",
                    f"`{msg.name}` is sent `to` an identity, but {process.name}, which handles it, is single",
                    handler.message.span,
                    "a process with identities",
                    "a single process is reached without `to`",
                )
            elif not alike(process.ident, site.to):
                self.report.error(
                    "E416",
                    f"`{msg.name}` is sent to `{describe(site.to)}`, but handled by {process.name}",
                    at,
                    f"`{describe(process.ident)}`",
                )
        idents = [p.ident for p, _ in msg.handlers if p.ident is not None]
        everyone = [p.ident for p in self.names.processes.values() if p.ident is not None]
        if not msg.handlers and not any(alike(t, site.to) for t in everyone):
            self.report.error("E416", f"no process has identities of type `{describe(site.to)}`", at, "the identity of a process")
        return idents[0] if idents else site.to

    # ── from ──

    def _sender(self, msg: Message) -> Type | None:
        """The identity type of the sender, if it is recorded: somebody asks for it, or a fifo channel needs it."""
        asked = [h.sender.span for _, h in msg.handlers if h.sender] + [x.sender[1] for x in msg.looked_at if x.sender]
        kinds = {site.process.name if site.process else "": site for site in msg.sends}
        if asked:
            return self._asked_sender(msg, asked[0], kinds)
        only = next(iter(kinds.values())).process if len(kinds) == 1 else None
        return only.ident if only and self.names.network == "fifo" else None

    def _asked_sender(self, msg: Message, asked: Span, kinds: dict[str, SendSite]) -> Type | None:
        """The one kind of process that sends a message whose sender is asked for."""
        name, process = msg.name, next(iter(kinds.values())).process if kinds else None
        problem, expected, hint = "", "a message that one kind of process sends", None
        if "" in kinds:
            asked, problem = kinds[""].span, f"no process sends `{name}` here, but line {asked.line} asks who sent it"
            expected = "`send` in an action of a process"
        elif len(kinds) > 1:
            problem = f"`{name}` is sent by {' and '.join(kinds)}: `from` cannot tell"
            hint = "declare two messages, or put the sender in a field"
        elif process is None and name not in self.report.torn:
            problem = f"nobody sends `{name}`"
        elif process and process.ident is None:
            problem, expected = f"`{name}` is sent by {process.name}, which is single and has no identity", "no `from`"
        if problem:
            self.report.error("E413", problem, asked, expected, hint)
        return process.ident if process and not problem else None

    def _looks(self, msg: Message, to: Type | None, sender: Type | None) -> None:
        """`sent M to p from q`: of the types that are recorded."""
        for look in msg.looked_at:
            if look.to and to is None:
                self.report.error("E416", f"`{msg.name}` is never sent `to` anyone", look.to[1], "no `to`")
            for asked, have, word in ((look.to, to, "to"), (look.sender, sender, "from")):
                if asked and have is not None and not alike(asked[0], have):
                    self.report.error(
                        "E303",
                        f"`{msg.name}` is sent `{word}` a `{describe(have)}`, but this is of type `{describe(asked[0])}`",
                        asked[1],
                        f"`{describe(have)}`",
                    )

    # ── receivers ──

    def _one_receiver(self, msg: Message) -> None:
        kind, who = self.names.network, list(dict.fromkeys(p.name for p, _ in msg.handlers))
        if len(who) > 1:
            self.report.error(
                "E415",
                f"`{msg.name}` is handled by {' and '.join(who)}",
                msg.decl.name.span,
                f"one kind of process for each message of a {kind} network",
                "declare one message for each",
            )
        elif not who and msg.sends and msg.name not in self.report.torn:
            self.report.error(
                "E415",
                f"nobody handles `{msg.name}`, so it would stay in the network for ever",
                msg.decl.name.span,
                f"`on {msg.name}` in a process",
            )

    def _unused(self, msg: Message) -> None:
        name = msg.decl.name
        if not msg.sends:
            self.report.warning("W604", f"nobody sends `{msg.name}`", name.span)
        elif not msg.handlers and not msg.looked_at and self.names.network == "set":
            self.report.warning("W605", f"nobody handles `{msg.name}` or asks whether it was sent", name.span)


def alike(a: Type | None, b: Type | None) -> bool:
    """Are these identities of one kind, as far as is known?  All numbers are alike here."""
    if a is None or b is None or isinstance(a, Unknown) or isinstance(b, Unknown):
        return True
    return (isinstance(a, Int) and isinstance(b, Int)) or describe(a) == describe(b)
