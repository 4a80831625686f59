"""The whole command line: the checker's commands, and those that run a spec as a cluster.

`checker` does not know of this package, so the commands are added here; whatever goes wrong becomes words as in checker/cli.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from checker.cli import Defines, Instance, Json, Spec, app, emit, main, say
from checker.settings import Mistake, duration, sizes

HOLDS, VIOLATED, REJECTED, FAULT = 0, 12, 14, 75
VERDICTS = {"invariant": "violated", "step": "violated", "service": "violated", "divergence": "diverged", "fault": "spec_fault"}


@app.command()
def run(
    spec: Spec,
    instance: Instance = None,
    define: Defines = None,
    nodes: Annotated[
        int | None, Option("--nodes", metavar="N", help="How many of each kind of process (default: the instance's).", min=1)
    ] = None,
    simulate: Annotated[bool, Option("--simulate", help="One thread, simulated time, network and disks.")] = False,
    seed: Annotated[int, Option("--seed", metavar="S", help="The same seed, the same run.", min=0)] = 0,
    faults: Annotated[
        str, Option("--faults", metavar="LIST", help="crash, partition, loss, duplicate, torn, delay, drift; loss=0.1")
    ] = "",
    duration_: Annotated[
        str | None, Option("--duration", metavar="TIME", help="How long: 30s, 2m (simulated: 60s; real: until Ctrl-C).")
    ] = None,
    record: Annotated[
        Path | None,
        Option("--record", metavar="FILE", help="Write what happened, one JSON object a line; FILE.itf.json: states."),
    ] = None,
    whole_state: Annotated[bool, Option("--whole-state", help="Record every variable of a node after each step.")] = False,
    no_check: Annotated[bool, Option("--no-check", help="Do not check the spec's properties along the run.")] = False,
    data: Annotated[Path | None, Option("--data", metavar="DIR", help="Where real nodes keep their variables.")] = None,
    clients: Annotated[int, Option("--clients", metavar="N", help="So many use the key-value store (simulated).", min=0)] = 0,
    workload: Annotated[str, Option("--workload", metavar="NAME", help="What they do: store, lock.")] = "store",
    bug: Annotated[
        str | None, Option("--bug", metavar="NAME", help="Put a known mistake into the runtime, to see it found (simulated).")
    ] = None,
    json: Json = False,
) -> int:
    """Run a spec as a cluster: for real over TCP, or simulated.

    Exit code 0 says that nothing wrong was seen, which proves nothing; 12 violated, 14 not what the spec does, 75 spec fault."""
    from checker import load
    from impl.runtime.faults import parse_faults

    model = load(spec)
    plan = planned(model, instance, nodes, sizes(model, define or []))
    injected, seconds = parse_faults(faults), duration(duration_ or "60s") if duration_ or simulate else None
    if clients and not (simulate and plan.protocol.service):
        raise Mistake("--clients needs --simulate, and a protocol that serves a key-value store")
    if bug and not simulate:
        raise Mistake("--bug needs --simulate")
    if simulate:
        if data:
            raise Mistake("--data is for real nodes", "leave out --simulate, or --data")
        using = (clients, workload, bug)
        assert seconds
        return _report(simulated(plan, seed, injected, seconds, record, whole_state, not no_check, *using), json)
    if faults:
        raise Mistake("--faults needs --simulate")
    from impl.runtime.cluster import launch

    def tell(line: str) -> None:
        if not json:
            say([line])

    summary = launch(plan, spec, instance, tuple(define or ()), nodes, seconds, data, record, whole_state, tell)
    if json:
        emit(summary)
    else:
        lines = [f"{name}: {n:,} steps" for name, n in summary["steps"].items()]
        if summary["message"]:
            lines.append(summary["message"] + (f" ({summary['place']})" if summary["place"] else ""))
        say(lines)
    return int(summary["exit"])


@app.command()
def client(
    request: Annotated[list[str], Argument(metavar="get|put|cas|txn|lock|renew|unlock …", help="What to ask.")],
    data: Annotated[Path, Option("--data", metavar="DIR", help="The folder of the running cluster.")],
    ttl: Annotated[str, Option("--ttl", metavar="TIME", help="Of a lock: how long it is leased.")] = "10s",
    wait: Annotated[str, Option("--wait", metavar="TIME", help="Of a lock: how long to wait for it.")] = "30s",
    json: Json = False,
) -> int:
    """Use the replicated store of a running cluster.

    get KEY; put KEY VALUE; cas KEY OLD NEW; txn [if KEY VALUE | held NAME TOKEN]… [get KEY | put KEY VALUE]…;
    lock NAME, which prints a token; renew NAME TOKEN; unlock NAME TOKEN.  `none` is what a key without a value has.

    Exit code 1 also if it could not be: another value, a lock held by another, a node that refuses; 20 if nobody answers, and it
    may have been done."""
    from impl.requests import perform
    from impl.runtime.client import Session

    answer, text = perform(lambda: Session(data), request, ttl, wait)
    if json:
        emit({"op": request[0], "args": request[1:], "result": answer})
    else:
        say(text.splitlines() or [""])
    return int(answer is False)


def planned(model: Any, instance: str | None, nodes: int | None, overrides: dict[str, Any]) -> Any:
    """The cluster; what cannot be run is said as the checker says what cannot be bound."""
    from checker.answer import Rejected
    from checker.core.bind import BindError
    from checker.engines.python.source import NotLocal, TooLarge
    from impl.runtime.plan import make_plan

    try:
        return make_plan(model, instance, nodes, overrides)
    except BindError as why:
        raise Rejected(why, model, bool(overrides)) from None
    except (TooLarge, NotLocal) as why:
        raise Rejected(BindError(str(why), why.node.span), model, False) from None


def simulated(
    plan: Any,
    seed: int,
    faults: Any,
    seconds: float,
    record: Path | None,
    whole: bool,
    check: bool,
    clients: int,
    workload: str,
    bug: str | None,
) -> dict[str, Any]:
    """One simulated run, as data."""
    import msgspec

    from impl.runtime.bugs import simulation
    from impl.runtime.clients import WORKLOADS
    from impl.runtime.record import Recorder, States
    from impl.runtime.shadow import Shadow

    if workload not in WORKLOADS:
        raise Mistake(f"--workload {workload}: there is none of this name", f"there are {', '.join(WORKLOADS)}")
    make = simulation(bug)
    shadow = Shadow(plan) if check else None
    states = States(plan) if record and record.name.endswith(".json") else None
    if states and not check:
        raise Mistake("--record FILE.json writes the states of the whole, which --no-check does not have")
    file = record.open("wb") if record else None
    try:
        recorder = Recorder(plan, file.write, whole) if file and not states else None
        run = make(plan, seed, faults, recorder, shadow, clients, WORKLOADS[workload])
        run.states = states
        outcome = run.run(seconds)
        if file and states:
            file.write(msgspec.json.encode(states.data()))
    finally:
        if file:
            file.close()
    model, finding, fault = plan.nodes.instance.model, outcome.finding, outcome.fault
    events = ("crash", "partition", "lost", "duplicated", "invoke", "return")
    return {
        "spec": model.name,
        "instance": plan.nodes.instance.name,
        "verdict": "spec_fault" if fault else VERDICTS[finding.kind] if finding else "nothing_found",
        "property": finding.name if finding and VERDICTS[finding.kind] == "violated" else None,
        "message": str(fault) if fault else finding.text if finding and finding.text else None,
        "place": model.place(fault.fault.node) if fault else None,
        "nodes": list(plan.addresses),
        "seed": seed,
        "bug": bug,
        "seconds": round(outcome.seconds, 6),
        "steps": outcome.steps,
        "events": {e: outcome.counts[e] for e in events},
        "actions": {a: n for a, n in sorted(outcome.counts.items()) if a not in (*events, "heal")},
        "witnesses": outcome.witnesses,
        "unchecked": [p.name for p, _ in shadow.compiled.skipped] if shadow else [],
        "recorded": str(record) if record else None,
    }


def _report(d: dict[str, Any], json: bool) -> int:
    """Prints a run; its exit code."""
    if json:
        emit(d)
    else:
        say(_lines(d))
    return {"violated": VIOLATED, "diverged": REJECTED, "spec_fault": FAULT}.get(d["verdict"], HOLDS)


def _lines(d: dict[str, Any]) -> list[str]:
    said = {
        "nothing_found": f"nothing wrong seen in {d['seconds']:g} simulated seconds, which proves nothing",
        "violated": f"{d['property']} is violated after {d['seconds']:g} simulated seconds"
        + (f": {d['message']}" if d["message"] else ""),
        "diverged": f"a node does what the spec does not do, after {d['seconds']:g} simulated seconds: {d['message']}",
        "spec_fault": f"spec fault: {d['message']}" + (f" ({d['place']})" if d["place"] else ""),
    }
    words = {
        "crash": "crashes",
        "partition": "partitions",
        "lost": "messages lost",
        "duplicated": "messages duplicated",
        "invoke": "requests",
        "return": "answers",
    }
    events = ", ".join(f"{n:,} {words[e]}" for e, n in d["events"].items() if n)
    lines = [f"{d['spec']} · {d['instance']}: {', '.join(d['nodes'])}", said[d["verdict"]]]
    bug = f"; with the bug {d['bug']}" if d["bug"] else ""
    lines.append(f"  {d['steps']:,} steps{f', {events}' if events else ''}; seed {d['seed']}{bug}")
    lines += [f"  {name} was reached by step {n:,}" for name, n in d["witnesses"].items()]
    lines += [f"  not checked, as it goes through too many values: {', '.join(d['unchecked'])}"] if d["unchecked"] else []
    lines += [f"  recorded in {d['recorded']}"] if d["recorded"] else []
    return lines


__all__ = ["app", "main"]
