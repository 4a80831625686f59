"""Finding a spec: SPEC is `-` (standard input), the path of a file, or the name of a shipped protocol.

The shipped specs are `specs/<protocol>/<name>.spec` beside this package in a checkout, and `checker/_specs/` inside a
wheel; bindings for logs are `traces/<protocol>/binding.toml`, and in `checker/_bindings/<protocol>/`. A protocol's main
spec goes by the name of its folder, any other by `folder/name`.  What cannot be read is a Mistake, never a traceback.
"""

from __future__ import annotations

import sys
from pathlib import Path

from checker.settings import Mistake, nearest
from checker.source import Source

HERE = Path(__file__).resolve().parent


def root() -> Path | None:
    """The folder of the shipped specs, if there is one."""
    return next((p for p in (HERE / "_specs", HERE.parent / "specs") if p.is_dir()), None)


def shipped() -> dict[str, Path]:
    """Every shipped spec by name, in the order of the names."""
    found: dict[str, Path] = {}
    here = root()
    for path in sorted(here.glob("*/*.spec")) if here else []:
        folder = path.parent.name
        found[folder if path.stem == folder else f"{folder}/{path.stem}"] = path
    return found


def shipped_binding(name: str) -> Path | None:
    """The binding for the logs of the implementation that a shipped spec is of, if there is one."""
    places = (HERE / "_bindings" / name / "binding.toml", HERE.parent / "traces" / name / "binding.toml")
    return next((p for p in places if p.is_file()), None)


def find(spec: str) -> Path:
    """The file that SPEC stands for.  Raises Mistake."""
    path = Path(spec)
    if path.is_file() or (path.exists() and not path.is_dir()):
        return path
    known = shipped()
    if spec in known:
        return known[spec]
    if path.is_dir():
        inside = sorted(p.name for p in path.glob("*.spec"))
        raise Mistake(f"{spec} is a directory", f"it has {', '.join(inside)}" if inside else None)
    raise Mistake(f"no file and no shipped protocol is called `{spec}`", _hint(spec, path, known))


def _hint(spec: str, path: Path, known: dict[str, Path]) -> str | None:
    beside = [str(p) for p in path.parent.glob("*.spec")] if path.parent.is_dir() else []
    if f"{spec}.spec" in beside:
        return f"did you mean `{spec}.spec`?"
    names = [*known, *(n.rsplit("/", 1)[1] for n in known if "/" in n), *beside]
    shown = ", ".join(known)
    return nearest(spec, names) or (f"shipped are {shown}" if shown else None)


def several(specs: list[str]) -> list[str]:
    """What `test` goes through: the specs given, those in the folders given, or all that are shipped.  Raises
    Mistake."""
    out: list[str] = []
    for spec in specs:
        if Path(spec).is_dir() and spec not in shipped():
            inside = sorted(map(str, Path(spec).rglob("*.spec")))
            if not inside:
                raise Mistake(f"{spec} has no specs in it")
            out += inside
        else:
            find(spec)
            out.append(spec)
    out = out or list(shipped())
    if not out:
        raise Mistake("no specs are shipped with this installation", "name the specs to test")
    return out


def read(spec: str) -> Source:
    """The text that SPEC stands for.  Raises Mistake."""
    if spec == "-":
        return Source("<stdin>", _text(sys.stdin.buffer.read(), "standard input"))
    path = find(spec)
    return Source(_shown(path), _text(load_bytes(path), str(path)))


def _shown(path: Path) -> str:
    """The path as short as it can be said from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def load_bytes(path: Path) -> bytes:
    """What a file holds.  Raises Mistake."""
    try:
        return path.read_bytes()
    except OSError as why:
        raise Mistake(f"cannot read {path}: {(why.strerror or str(why)).lower()}") from None


def _text(data: bytes, name: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as why:
        line = data[: why.start].count(b"\n") + 1
        raise Mistake(f"{name} is not UTF-8 text (line {line}, byte {data[why.start]:#04x})") from None
    if not text.strip():
        raise Mistake(f"{name} is empty", "`spectrace new NAME` writes a spec to start from")
    return text


def write(path: Path, text: str | bytes) -> None:
    """Writes a file, of text or of bytes.  Raises Mistake."""
    try:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    except OSError as why:
        raise Mistake(f"cannot write {path}: {(why.strerror or str(why)).lower()}") from None


def write_all(files: dict[str, str], output: Path) -> list[str]:
    """Writes files: one to `output` (or into it, if it is a folder), several into the folder `output`.  What was
    written."""
    if len(files) == 1 and not output.is_dir():
        write(output, next(iter(files.values())))
        return [str(output)]
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as why:
        raise Mistake(f"cannot write into {output}: {(why.strerror or str(why)).lower()}") from None
    for name, text in files.items():
        write(output / name, text)
    return [str(output / name) for name in files]
