"""How the tests of the command line call it: in this process where that is the same, as a process of its own where it
is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
REPO = HERE.parent.parent


@dataclass
class Outcome:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout; anything else there is an error."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    @property
    def text(self) -> str:
        """stdout without what no two runs share: times, rates, memory."""
        return "\n".join(line for line in self.out.splitlines() if ": compiled in " not in line) + "\n"


Command = Callable[..., Outcome]


@pytest.fixture
def spectrace(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command in this process, from the folder of the tests' specs."""
    from checker.cli import run

    monkeypatch.chdir(HERE / "specs")

    def call(*args: object) -> Outcome:
        capsys.readouterr()
        code = run([str(a) for a in args])
        out, err = capsys.readouterr()
        return Outcome(code, out, err)

    return call


@pytest.fixture
def process() -> Command:
    """Runs a command as a process."""

    def call(*args: object, **how: Any) -> Outcome:
        done = subprocess.run(command(*args), capture_output=True, text=True, env=environment(), cwd=HERE / "specs", **how)
        return Outcome(done.returncode, done.stdout, done.stderr)

    return call


def command(*args: object) -> list[str]:
    return [sys.executable, "-m", "checker", *map(str, args)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPO)}
