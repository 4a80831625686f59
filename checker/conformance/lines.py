"""The lines of a log: NDJSON files, plain or gzipped, or standard input.  What they mean is for the binding to say.

Files are read as streams, again for each pass; standard input is kept on disk for that.  Invariant: whoever sees a Line
can say where it stands, `file:number`.
"""

from __future__ import annotations

import gzip
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from checker.settings import Mistake

Raw = bytes
MARK = b"\xef\xbb\xbf"  # some write it before UTF-8
PAUSE = 0.1  # seconds between two looks at a log that is followed


@dataclass(slots=True)
class Line:
    """One line of a log; `number` counts from 1 as editors do."""

    file: str
    number: int
    data: dict[str, Any]

    @property
    def place(self) -> str:
        return f"{self.file}:{self.number}"


def wait_for(name: str) -> None:
    """Waits until there is a file with a line in it, for a log that is followed."""
    while not Path(name).exists() or (Path(name).is_file() and b"\n" not in Path(name).read_bytes()[:1_000_000]):
        time.sleep(PAUSE)


class Log:
    """One source of lines, which can be read more than once."""

    def __init__(self, name: str) -> None:
        self.follow, self.interrupted = False, False  # at its end, wait for more; somebody has ended that
        self.half = 0  # the number of a last line that is cut off: whoever wrote it was killed
        self.name = "<stdin>" if name == "-" else name
        self.path = self._spooled() if name == "-" else Path(name)
        if not self.path.is_file():
            what = "is a directory" if self.path.is_dir() else "no such file"
            raise Mistake(f"{name}: {what}", "a trace is an NDJSON file (.gz too), an ITF file, or `-`")

    def _spooled(self) -> Path:
        self.spool = tempfile.NamedTemporaryFile(prefix="spectrace-")  # noqa: SIM115  # lives as long as this object
        shutil.copyfileobj(sys.stdin.buffer, self.spool)
        self.spool.flush()
        return Path(self.spool.name)

    @property
    def packed(self) -> bool:
        with self.path.open("rb") as f:
            return f.read(2) == b"\x1f\x8b"

    def open(self) -> BinaryIO:
        return gzip.open(self.path, "rb") if self.packed else self.path.open("rb")  # type: ignore[return-value]

    def bytes(self) -> bytes:
        """All of it.  Raises Mistake."""
        try:
            with self.open() as f:
                return f.read().removeprefix(MARK)
        except (OSError, EOFError) as why:
            raise Mistake(f"{self.name}: {_reason(why)}") from None

    def _rows(self, f: BinaryIO) -> Iterator[Raw]:
        """Its lines.  While it is followed, a line that is not whole yet is waited for."""
        if not self.follow:
            yield from f
            return
        part = b""
        while not self.interrupted:
            part += f.readline()
            if part.endswith(b"\n"):
                yield part
                part = b""
            elif self.follow:
                self._still(f)
                time.sleep(PAUSE)
            else:
                return

    def _still(self, f: BinaryIO) -> None:
        """Is the file that is followed still the one that has this name, and as long as it was?"""
        try:
            now, was = self.path.stat(), os.fstat(f.fileno())
        except FileNotFoundError:
            return  # perhaps it is being replaced
        if (now.st_dev, now.st_ino) != (was.st_dev, was.st_ino) or now.st_size < f.tell():
            raise OSError("another file has its name now, or it was cut; a log that is followed only grows")

    def __iter__(self) -> Iterator[Line]:
        decode, number = msgspec.json.Decoder().decode, 0
        try:
            with self.open() as f:
                for number, raw in enumerate(self._rows(f), 1):
                    if number == 1 and raw[:2] in (b"\xff\xfe", b"\xfe\xff", MARK[:2]):
                        raw = self._unmarked(raw)
                    if raw.isspace():
                        continue
                    try:
                        data = decode(raw)
                    except msgspec.DecodeError:
                        if number == 1 or raw.endswith(b"\n"):
                            raise
                        self.half = number
                        return
                    if type(data) is not dict:
                        raise Mistake(f"{self.name}:{number}: not a JSON object: {_cut(raw)}", "each line of a log is one object")
                    yield Line(self.name, number, data)
        except (msgspec.DecodeError, UnicodeDecodeError) as why:
            raise Mistake(f"{self.name}:{number}: not JSON: {why}") from None
        except RecursionError:
            raise Mistake(f"{self.name}:{number}: nested too deep") from None
        except (OSError, EOFError) as why:
            raise Mistake(f"{self.name}: after line {number}: {_reason(why)}") from None

    def _unmarked(self, raw: Raw) -> Raw:
        """A first line without what says how it is encoded."""
        if raw.startswith(MARK):
            return raw.removeprefix(MARK) or b"\n"
        raise Mistake(f"{self.name}:1: this is UTF-16", "a log is UTF-8")


def _cut(raw: bytes) -> str:
    text = raw.decode(errors="replace").strip()
    return text if len(text) <= 60 else text[:58] + " …"


def _reason(why: Exception) -> str:
    return (getattr(why, "strerror", None) or str(why)).lower()
