"""What only a process of its own can show: Ctrl-C, closed pipes, full disks, standard input, and how little `--help`
imports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import HERE, command, environment

BIG = ["check", "two_phase_commit", "-D", "RM=14", "--no-symmetry", "--max-memory", "2G"]


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """A shell starts what runs in the background with Ctrl-C ignored, and processes inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def start(*args: object, **how: object) -> subprocess.Popen[str]:
    pipes: dict[str, object] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
    return subprocess.Popen(command(*args), text=True, env=environment(), cwd=HERE / "specs", **pipes)


def interrupt(*args: object) -> tuple[int, str, str]:
    """Presses Ctrl-C as soon as there is a line of progress; the exit code, stdout, and the terminal that stderr
    is."""
    terminal, end = os.openpty()
    p = start(*args, stderr=end)
    os.close(end)
    seen = b""
    while b"frontier" not in seen:
        seen += os.read(terminal, 4096)
    p.send_signal(signal.SIGINT)
    out, _ = p.communicate(timeout=60)
    seen += rest(terminal)
    return p.returncode, out, seen.decode()


def rest(terminal: int) -> bytes:
    """What is left to read, once nobody writes any more."""
    seen = b""
    try:
        while data := os.read(terminal, 4096):
            seen += data
    except OSError:
        pass
    os.close(terminal)
    return seen


def test_interrupt_ends_in_an_honest_partial_verdict():
    code, out, err = interrupt(*BIG, "--json")
    assert code == 130, err
    found = json.loads(out)
    assert (found["verdict"], found["stopped_by"], found["exhaustive"]) == ("unknown", "interrupt", False)
    assert found["distinct_states"] > 0


def test_interrupt_in_text():
    code, out, err = interrupt(*BIG)
    assert code == 130, err
    assert "unknown: stopped by Ctrl-C" in out and "not exhaustive" in out
    assert "Traceback" not in err and err.endswith("\x1b[2K")


EARLY = """
import os, signal, sys
class Pressed:
    def find_spec(self, name, *_):
        if name == "checker.cli":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Pressed())
"""


@pytest.mark.parametrize(
    "begin", ["from impl.start import main; main()", "import runpy; runpy.run_module('checker', {}, '__main__')"]
)
def test_interrupt_while_it_is_still_being_imported(begin: str):
    made = [sys.executable, "-c", EARLY + begin, "list"]
    done = subprocess.run(made, capture_output=True, text=True, env=environment(), cwd=HERE / "specs", timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: interrupted\n")


def test_interrupt_before_there_is_a_verdict_is_said():
    late = EARLY.replace("checker.cli", "checker.engines.native.search")
    made = [sys.executable, "-c", late + "from impl.start import main; main()", "check", "lock.spec", "--json"]
    done = subprocess.run(made, capture_output=True, text=True, env=environment(), cwd=HERE / "specs", timeout=60)
    assert done.returncode == 130 and json.loads(done.stdout)["error"]["kind"] == "interrupted"


def test_closed_pipe_is_no_error():
    p = start("show", "two_phase_commit")
    assert p.stdout is not None and p.stderr is not None
    p.stdout.close()
    assert p.wait(timeout=60) in (0, 1)
    assert p.stderr.read() == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_full_disk():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command("show", "lock.spec"),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            cwd=HERE / "specs",
        )
    assert done.returncode == 1
    assert "no space left on device" in done.stderr and "Traceback" not in done.stderr


def test_standard_input(process):
    text = (HERE / "specs" / "wrong.spec").read_text()
    found = process("check", "-", "--json", input=text)
    assert found.code == 12
    assert found.json["file"] == "<stdin>"


def test_a_real_exit_code(process):
    assert process("check", "stuck.spec", "--engine", "python").code == 11
    assert process("check", "nowhere").code == 1


def test_help_imports_nothing_heavy():
    program = "import sys, checker.cli as c; c.run(['--help']); c.run(['check', '--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment(), cwd=HERE)
    loaded = set(done.stderr.split())
    assert "typer" in loaded and "check" in done.stdout
    assert not loaded & {"numba", "numpy", "llvmlite", "z3", "lark", "checker.language"}


def test_show_imports_no_engine():
    program = "import sys, checker.cli as c; c.run(['show', 'lock.spec']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment(), cwd=HERE / "specs")
    assert not set(done.stderr.split()) & {"numba", "llvmlite", "z3", "checker.engines.native.run"}


@pytest.mark.parametrize(
    "args",
    [
        ["simulate", "two_phase_commit", "--seed", "3", "--traces", "5", "--depth", "9", "-i", "hasty"],
        ["check", "two_phase_commit", "-i", "hasty", "--engine", "python"],
    ],
    ids=["simulate", "check"],
)
def test_the_same_output_every_time(args):
    """Whatever order Python's sets happen to have."""
    outs = set()
    for seed in ("1", "2", "3"):
        env = {**environment(), "PYTHONHASHSEED": seed}
        out = subprocess.run(command(*args), capture_output=True, text=True, env=env, cwd=HERE / "specs").stdout
        outs.add("\n".join(line for line in out.splitlines() if ": compiled in " not in line))
    assert len(outs) == 1
    assert "violated" in outs.pop()


def test_version(process):
    from checker import __version__

    found = process("--version")
    assert (found.code, found.out) == (0, f"spectrace {__version__}\n")


def test_no_colour_and_no_progress_where_nobody_looks(process):
    found = process("check", "lock.spec", "-i", "careless", "--engine", "python")
    assert "\x1b" not in found.out and "\r" not in found.out
    assert found.err == ""


def test_progress_is_for_terminals(monkeypatch):
    import io

    from checker.report import Ticker
    from checker.verdict import Progress

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    seen = Terminal()
    monkeypatch.setattr(sys, "stderr", seen)
    ticker = Ticker()
    ticker(Progress(2_000_000, 9_000_000, 1_000, 12, 2.0, 48_000_000))
    assert "2,000,000 states · 1.0 M/s · frontier 1,000 · depth 12 · 48.0 MB · 2.00 s" in seen.getvalue()
    ticker.done()
    assert seen.getvalue().endswith("\x1b[2K")
