"""The command line: the only place that parses flags or exits.

Each command is a function that returns an exit code; what it prints is made in `report`, what it computes elsewhere.
Nothing heavy is imported before a command needs it.  With `--json` there is exactly one object on stdout, whatever
happens.  Whoever makes a mistake in a spec, a flag or a file gets a line that says so, never a traceback.

Exit codes: 0 holds, 1 usage or file error, 2 the spec text is wrong, 10 an assumption fails, 11 deadlock, 12
violated, 14 trace rejected, 20 unknown, 70 a bug in here, 71 engines disagree, 75 spec fault, 130 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer import Argument, Option

from checker import __version__
from checker.settings import Mistake

USAGE, INTERRUPTED = 1, 130
STARTED = time.time()

app = typer.Typer(
    name="spectrace",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Model checker for distributed protocols: SPEC is a path, or the name of a shipped protocol.",
)

Spec = Annotated[str, Argument(metavar="SPEC", help="A path, `-`, or the name of a shipped protocol.")]
Instance = Annotated[str | None, Option("--instance", "-i", metavar="NAME", help="Which instance (default: the first).")]
Defines = Annotated[list[str] | None, Option("-D", metavar="NAME=VALUE", help="Set the size of a sort or a parameter otherwise.")]
Json = Annotated[bool, Option("--json", help="Print one JSON object instead of text.")]
Output = Annotated[Path | None, Option("-o", "--output", metavar="FILE", help="Where to write (default: stdout).")]
Threads = Annotated[int, Option("--threads", metavar="N", help="How many threads.", min=1, max=64)]
Witness = Annotated[str | None, Option("--witness", metavar="NAME", help="Show how a `reachable` property is reached.")]
NoDeadlock = Annotated[bool, Option("--no-deadlock", help="A state without successors is fine.")]


def elapsed() -> float:
    """Seconds since this process started, by the system's own account where it gives one."""
    try:
        with open("/proc/self/stat") as f:
            ticks = int(f.read().rsplit(")", 1)[1].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return time.time() - STARTED


# ── output ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class Unwritable(Exception):
    """Nothing more can be written to stdout; `closed`: because whoever read it is gone."""

    def __init__(self, why: OSError) -> None:
        super().__init__((why.strerror or str(why)).lower())
        self.closed = isinstance(why, BrokenPipeError)


def put(text: str) -> None:
    """Text on stdout.  Raises Unwritable."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as why:
        raise Unwritable(why) from None


def emit(data: dict[str, Any]) -> None:
    """One JSON object on stdout."""
    import msgspec

    put(msgspec.json.encode(data).decode() + "\n")


def say(lines: Any) -> None:
    """Lines of text on stdout."""
    from checker.report import Printer

    try:
        Printer()(lines)
    except OSError as why:
        raise Unwritable(why) from None


def save(output: Path | None, text: str) -> None:
    """Text to a file, or to stdout."""
    from checker.library import write

    if output is None:
        put(text)
    else:
        write(output, text)


# ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@app.callback(invoke_without_command=True)
def top(context: typer.Context, version: Annotated[bool, Option("--version", help="Print the version.")] = False) -> None:
    if version:
        put(f"spectrace {__version__}\n")
        raise typer.Exit(0)
    if context.invoked_subcommand is None:
        put(context.get_help() + "\n")
        raise typer.Exit(USAGE)


@app.command()
def check(
    spec: Spec,
    instance: Instance = None,
    define: Defines = None,
    no_symmetry: Annotated[bool, Option("--no-symmetry", help="Tell interchangeable identities apart.")] = False,
    no_deadlock: NoDeadlock = False,
    threads: Threads = 1,
    max_states: Annotated[int | None, Option("--max-states", metavar="N", help="Stop at so many states.", min=1)] = None,
    max_depth: Annotated[int | None, Option("--max-depth", metavar="N", help="Stop after so many steps.", min=0)] = None,
    max_memory: Annotated[str | None, Option("--max-memory", metavar="SIZE", help="Stop at so much memory: 500M, 4G.")] = None,
    time_limit: Annotated[str | None, Option("--time-limit", metavar="TIME", help="Stop after so long: 30s, 2m, 1h.")] = None,
    engine: Annotated[
        str, Option("--engine", metavar="ENGINE", help="native, or python: the slow definition itself.")
    ] = "native",
    witness: Witness = None,
    crosscheck: Annotated[
        bool, Option("--crosscheck", help="Let the solver judge a sample of the states, too: it must agree.")
    ] = False,
    json: Json = False,
) -> int:
    """Explore every reachable state of an instance.

    Exit codes: 0 holds, 1 usage, 2 spec is wrong, 10 assumption fails, 11 deadlock, 12 violated, 20 unknown or a
    limit was hit, 71 --crosscheck found that engines disagree, 75 spec fault, 130 interrupted."""
    from checker.answer import Request, perform
    from checker.settings import duration, memory
    from checker.verdict import Limits

    if engine not in ("native", "python"):
        raise Mistake(f"--engine {engine}: there are native and python")
    if engine == "python" and max_memory:
        raise Mistake("--max-memory needs the native engine")
    limits = Limits(
        max_states, max_depth, memory(max_memory) if max_memory else None, duration(time_limit) if time_limit else None
    )
    request = Request(
        spec,
        instance,
        tuple(define or ()),
        not no_symmetry,
        not no_deadlock,
        threads,
        limits,
        engine,
        witness,
        crosscheck=crosscheck,
    )
    return _checked(request, perform, json)


def _checked(request: Any, perform: Any, json: bool) -> int:
    from checker.report import Ticker

    ticker = Ticker()
    try:
        answer = perform(request, ticker)
    finally:
        ticker.done()
    if json:
        emit(answer.data(elapsed()))
    else:
        say(answer.lines(elapsed()))
    return int(answer.exit)


@app.command()
def prove(
    spec: Spec,
    instance: Instance = None,
    define: Defines = None,
    method: Annotated[str, Option("--method", metavar="METHOD", help="induction, k-induction, or bmc.")] = "induction",
    depth: Annotated[int, Option("--depth", metavar="N", help="bmc: look at behaviours of up to N steps.", min=0)] = 20,
    k: Annotated[int, Option("--k", metavar="K", help="k-induction: how many good states come first.", min=1)] = 2,
    jobs: Annotated[int, Option("--jobs", metavar="N", help="How many processes.", min=1, max=64)] = 2,
    timeout: Annotated[str | None, Option("--timeout", metavar="TIME", help="For each query (bmc: in all): 30s, 2m.")] = None,
    max_states: Annotated[
        int, Option("--max-states", metavar="N", help="How far to look for a counterexample to induction.", min=1)
    ] = 1_000_000,
    unbounded: Annotated[bool, Option("--unbounded", help="For any size of the sorts and any bounds, not one instance.")] = False,
    find_lemmas: Annotated[bool, Option("--find-lemmas", help="Look for the lemmas that the proof needs.")] = False,
    time_limit: Annotated[
        str | None, Option("--time-limit", metavar="TIME", help="Stop after so long (with --find-lemmas: default 2m).")
    ] = None,
    show: Annotated[
        str | None,
        Option("--show", metavar="epr", help="epr: do not prove; print the quantifier graph, its cycles, what would break them."),
    ] = None,
    no_deadlock: NoDeadlock = False,
    json: Json = False,
) -> int:
    """Prove an instance with a solver, without exploring it.

    induction: what holds at the start and is kept by every action; `lemma` declarations help.  bmc: counterexamples
    of up to --depth steps.  Exit codes: those of check; 15 not inductive; 20 also if no counterexample has up to
    --depth steps, or the solver left something open."""
    from checker.prove import METHODS, Asked, perform, quantifiers
    from checker.settings import duration

    if method not in METHODS:
        raise Mistake(f"--method {method}: there are {', '.join(METHODS)}")
    limit = duration(timeout) if timeout else None
    if unbounded and method != "induction":
        raise Mistake("--unbounded is a proof by induction: leave --method away")
    if find_lemmas and method != "induction":
        raise Mistake("--find-lemmas is for a proof by induction: leave --method away")
    if show not in (None, "epr"):
        raise Mistake(f"--show {show}: there is epr")
    if show and not unbounded:
        raise Mistake("--show epr is about a proof for any size: add --unbounded")
    all_in = duration(time_limit) if time_limit else None
    given = tuple(define or ())
    asked = Asked(
        spec, instance, given, method, depth, k, jobs, limit, not no_deadlock, max_states, unbounded, find_lemmas, all_in
    )
    return _checked(asked, quantifiers if show else perform, json)


@app.command()
def test(
    specs: Annotated[list[str] | None, Argument(metavar="[SPEC]...", help="Default: every shipped protocol.")] = None,
    slow: Annotated[bool, Option("--slow", help="Also the instances that are marked slow.")] = False,
    threads: Threads = 1,
    junit: Annotated[Path | None, Option("--junit", metavar="FILE", help="Also write a JUnit report.")] = None,
    json: Json = False,
) -> int:
    """Check every instance against what it expects.  Exit code 0: all as expected, 1: not."""
    from checker import library, suite
    from checker.report import Ticker

    names = library.several(specs or [])
    ticker, found = Ticker(), list[suite.Case]()
    for case in suite.cases(names, slow, threads, ticker):
        ticker.done()
        found.append(case)
        if not json:
            say(suite.lines(case))
        if case.interrupted:
            break
    if junit:
        library.write(junit, suite.junit(found))
    failed = sum(c.status == "FAIL" for c in found)
    if json:
        emit({"ok": not failed, "instances": [c.data() for c in found], "seconds": elapsed()})
    else:
        counts = {s: sum(c.status == s for c in found) for s in ("ok", "FAIL", "skipped")}
        say(["", ", ".join(f"{n} {s}" for s, n in counts.items() if n) + f", {elapsed():.1f} s"])
    return INTERRUPTED if any(c.interrupted for c in found) else int(failed > 0)


@app.command()
def simulate(
    spec: Spec,
    instance: Instance = None,
    define: Defines = None,
    traces: Annotated[int, Option("--traces", metavar="N", help="How many walks.", min=1)] = 100,
    depth: Annotated[int, Option("--depth", metavar="D", help="The most steps of a walk.", min=0)] = 50,
    seed: Annotated[int | None, Option("--seed", metavar="S", help="The same seed, the same walks.", min=0)] = None,
    no_deadlock: NoDeadlock = False,
    output: Output = None,
    json: Json = False,
) -> int:
    """Walk through an instance at random.

    Exit code 0 says that nothing wrong was seen, which proves nothing.  -o writes ITF: the walk that shows something
    wrong, or else all walks, numbered."""
    from checker.walks import Asked, run_walks

    answer = run_walks(Asked(spec, instance, tuple(define or ()), traces, depth, seed, not no_deadlock))
    files = answer.save(output) if output else []
    if json:
        emit({**answer.data(), "files": files, "seconds": elapsed()})
    else:
        say(answer.lines(files))
    return answer.exit


@app.command()
def validate(
    spec: Spec,
    traces: Annotated[list[str], Argument(metavar="TRACE...", help="Logs (NDJSON, .gz too), an ITF file, or `-`.")],
    binding: Annotated[
        str | None,
        Option("--binding", "-b", metavar="FILE", help="How lines and spec meet (default: binding.toml beside the trace)."),
    ] = None,
    instance: Instance = None,
    follow: Annotated[bool, Option("--follow", "-f", help="Wait for more lines, until Ctrl-C or a rejection.")] = False,
    coverage: Annotated[bool, Option("--coverage", help="Also what was exercised and compared, and what never.")] = False,
    history: Annotated[
        bool, Option("--history", help="TRACE is what clients saw of the object SPEC: is it linearizable?")
    ] = False,
    json: Json = False,
) -> int:
    """Hold a log of an implementation against a spec; or, with --history, what its clients saw (as `linearizable` does).

    Exit codes: 0 accepted, 1 usage, a log or binding that cannot be read, 14 rejected, 20 inconclusive: a bound was hit,
    130 --follow was ended and all lines so far are explained."""
    from checker.conformance.answer import perform

    if history:
        if len(traces) > 1 or binding or follow or coverage:
            raise Mistake("--history takes one TRACE, and neither --binding, --follow nor --coverage")
        return linearizable(traces[0], spec, instance, json=json)
    if follow and not Path(traces[0]).exists() and traces != ["-"]:
        sys.stderr.write(f"waiting for {traces[0]}\n")
    answer = perform(spec, traces, binding, instance, follow)
    if json:
        emit(answer.data())
    else:
        say(answer.lines(coverage))
    return answer.exit


@app.command()
def mutate(
    spec: Spec,
    traces: Annotated[list[str], Argument(metavar="TRACE...", help="Logs that are accepted (NDJSON, .gz too), or `-`.")],
    binding: Annotated[
        str | None,
        Option("--binding", "-b", metavar="FILE", help="How lines and spec meet (default: binding.toml beside the trace)."),
    ] = None,
    instance: Instance = None,
    kinds: Annotated[str, Option("--kinds", metavar="LIST", help="Which changes.")] = "field,drop,duplicate,swap",
    limit: Annotated[int, Option("--limit", metavar="N", help="At most so many of each kind.", min=1)] = 400,
    seed: Annotated[int, Option("--seed", metavar="S", help="The same seed, the same mutants.", min=0)] = 0,
    horizon: Annotated[
        int, Option("--horizon", metavar="N", help="Accepted: so many events after the change are explained.", min=1)
    ] = 500,
    jobs: Annotated[int, Option("--jobs", metavar="N", help="How many processes.", min=1, max=64)] = 2,
    json: Json = False,
) -> int:
    """Score a spec and a binding: how many small changes of an accepted log are noticed, and how near.

    A field has another value, a line is missing or there twice, two neighbours are swapped.  Exit codes: 0 done, 1 usage, or
    a log that is not accepted."""
    from checker.conformance.scored import perform

    answer = perform(spec, traces, binding, instance, kinds, limit, seed, jobs, horizon)
    if json:
        emit({**answer.data(), "seconds": round(elapsed(), 3)})
    else:
        say(answer.lines_of_text())
    return 0


@app.command()
def extract(
    rules: Annotated[str, Argument(metavar="RULES", help="How lines look and what they are: a TOML file.")],
    logs: Annotated[list[str], Argument(metavar="LOG...", help="Text logs (.gz too), one for each node.")],
    output: Output = None,
    json: Json = False,
) -> int:
    """Make a log that `validate` can read from text logs, by regular expressions.

    Without -o the events go to standard output, one JSON object a line."""
    from checker import library
    from checker.conformance.extract import extract, packed, read_rules

    events = list(extract(read_rules(rules), [Path(log) for log in logs]))
    if output:
        library.write(output, packed(events, output.name))
    if json:
        emit({"rules": rules, "logs": logs, "file": str(output) if output else None, "events": len(events) - 1})
    else:
        say([f"{output}: {len(events) - 1:,} events"] if output else packed(events, "").decode().splitlines())
    return 0


@app.command()
def linearizable(
    history: Annotated[
        str, Argument(metavar="HISTORY", help="What clients asked and were answered (NDJSON or JSON, .gz too), or `-`.")
    ],
    object: Annotated[
        str | None,
        Option(
            "--object",
            metavar="SPEC",
            help="What the object does without concurrency (default: register, mutex or append_register, by the operations).",
        ),
    ] = None,
    instance: Instance = None,
    whole: Annotated[bool, Option("--whole", help="One object, not one for each key.")] = False,
    max_states: Annotated[int, Option("--max-states", metavar="N", help="Stop at so many configurations.", min=1)] = 2_000_000,
    json: Json = False,
) -> int:
    """Is a history of clients linearizable?

    Exit codes: 0 accepted, 1 usage, a history that cannot be read, 14 rejected, 20 inconclusive: a bound was hit."""
    from checker.conformance.linearizable import perform

    answer = perform(history, object, instance, whole, max_states)
    if json:
        emit(answer.data())
    else:
        say(answer.lines())
    return answer.exit


@app.command()
def show(
    spec: Annotated[str, Argument(metavar="SPEC|TRACE", help="A spec, or an ITF file.")],
    json: Json = False,
) -> int:
    """Show the structure of a spec, or the steps of a trace."""
    from checker import library, load, report, trace

    path = library.find(spec) if spec != "-" else None
    if path is not None and path.suffix == ".json":
        frames = trace.frames(trace.read_itf(library.load_bytes(path), str(path)))
        if json:
            emit({"file": str(path), "states": [{"label": f.label, "sent": f.sent, "values": f.values} for f in frames]})
        else:
            say(report.frames(frames))
        return 0
    from checker.outline import Outline

    outline = Outline(load(spec))
    if json:
        emit(outline.data())
    else:
        say(outline.lines())
    return 0


@app.command()
def fmt(
    specs: Annotated[list[str], Argument(metavar="SPEC...", help="Files, or `-`.")],
    check: Annotated[bool, Option("--check", help="Change nothing; exit code 1 if something would change.")] = False,
    output: Output = None,
    json: Json = False,
) -> int:
    """Bring specs into their one proper layout, in place."""
    from checker import library
    from checker.language import format_text

    if output and len(specs) > 1:
        raise Mistake("-o takes one SPEC")
    changed: list[str] = []
    for spec in specs:
        source = library.read(spec)
        text = format_text(source)
        changed += [spec] if text != source.text else []
        if not check:
            if output or spec == "-":
                save(output, text)
            elif text != source.text:
                library.write(library.find(spec), text)
    if json:
        emit({"changed": changed, "checked": check})
    elif changed and (check or not (output or "-" in specs)):
        say([f"{'would change' if check else 'changed'} {name}" for name in changed])
    return int(check and bool(changed))


@app.command()
def new(
    name: Annotated[str | None, Argument(metavar="NAME", help="The protocol; the file is NAME.spec.")] = None,
    binding: Annotated[
        str | None, Option("--binding", metavar="TRACE", help="Instead, a binding to start from, for this log.")
    ] = None,
    spec: Annotated[str | None, Option("--spec", metavar="SPEC", help="The spec of the binding.")] = None,
    output: Output = None,
    json: Json = False,
) -> int:
    """Write a small working spec to start from, or (--binding) a commented binding for a log."""
    from checker import load
    from checker.conformance.starting import starting
    from checker.starter import create

    if binding:
        if name:
            raise Mistake("NAME is for a spec; a binding goes where -o says", f"-o {name}")
        text = starting(binding, load(spec) if spec else None)
        if json:
            save(output, text) if output else None
            emit({"file": str(output) if output else None, "text": text})
        else:
            save(output, text)
        return 0
    if not name or spec or output:
        raise Mistake("missing argument 'NAME'" if not name else "--spec and -o go with --binding")
    path = create(name)
    if json:
        emit({"file": str(path)})
    else:
        say([f"wrote {path}; now `spectrace check {path}`"])
    return 0


@app.command()
def export(
    spec: Spec,
    to: Annotated[
        str,
        Option(
            "--to",
            metavar="FORMAT",
            help="dot: the state graph of a small instance; itf: a behaviour; smt2: a proof's questions for other solvers; "
            "tla: for TLC.",
        ),
    ],
    instance: Instance = None,
    define: Defines = None,
    witness: Witness = None,
    unbounded: Annotated[bool, Option("--unbounded", help="smt2: the proof for any size.")] = False,
    time_limit: Annotated[
        str | None,
        Option(
            "--time-limit",
            metavar="TIME",
            help="smt2: encode and ask our own solver for so long, then write (default: ask for 1m).",
        ),
    ] = None,
    output: Output = None,
    json: Json = False,
) -> int:
    """Write the state graph (dot), the counterexample, a witness or a longest behaviour (itf), the questions of a
    proof by induction (smt2), or a TLA+ module (tla).

    -o names the file, or the folder where there are several.
    """
    from checker.export import FORMATS, smt2, smt2_any
    from checker.library import write_all
    from checker.settings import duration, nearest

    if to not in FORMATS:
        raise Mistake(f"--to {to}: no such format", nearest(to, FORMATS) or f"there are {', '.join(FORMATS)}")
    if unbounded and to != "smt2":
        raise Mistake("--unbounded is for --to smt2")
    make = smt2_any if unbounded else FORMATS[to]
    if time_limit:
        if to != "smt2":
            raise Mistake("--time-limit is for --to smt2")
        make = partial(smt2_any if unbounded else smt2, seconds=duration(time_limit))
    if to == "tla" and output and output.suffix in (".tla", ".cfg"):
        raise Mistake(f"-o {output}: two files are written, named as the module must be", "-o FOLDER, for example `-o .`")
    files = make(spec, instance, tuple(define or ()), witness)
    written = write_all(files, output) if output else []
    if json:
        emit({"format": to, "written": written, "files": {} if output else files})
    elif not output:
        save(None, ("(reset)\n" if to == "smt2" else "\n").join(files.values()))
    return 0


# ── running a command, whatever happens ──────────────────────────────────────────────────────────────────────────────


def main() -> NoReturn:
    """Runs the command line and exits."""
    try:
        code = run(sys.argv[1:])
    except Unwritable as why:
        code = USAGE
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not why.closed:  # whoever closed a pipe has seen enough
            sys.stderr.write(f"error: cannot write to standard output: {why}\n")
    sys.exit(code)


def run(argv: list[str]) -> int:
    """Runs one command; the exit code.  What people did wrong becomes words here."""
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # impl/start.py
        return _dispatch(argv)
    except (Unwritable, SystemExit):
        raise
    except BrokenPipeError as why:
        raise Unwritable(why) from None
    except BaseException as why:
        from checker.failures import failure

        found = failure(why)
        if "--json" in argv:
            emit(found.data())
        else:
            sys.stderr.write(found.text())
        return found.exit


def _dispatch(argv: list[str]) -> int:
    try:
        command = typer.main.get_command(app)
        with command.make_context("spectrace", list(argv)) as context:  # `app` itself ends at Ctrl-C without a word
            code = command.invoke(context)
        return code if isinstance(code, int) else 0
    except typer.Exit as done:
        return int(done.exit_code)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except Exception as why:
        if hasattr(why, "format_message"):  # a ClickException, of whichever click typer has
            raise _usage(why) from None
        raise


def _usage(why: Any) -> Mistake:
    """A mistake that typer found, in our words."""
    text = str(why.format_message()).split("\n")[0].rstrip(".")
    context = getattr(why, "ctx", None)
    return Mistake(text[:1].lower() + text[1:], f"see `{context.command_path if context else 'spectrace'} --help`")
