"""LLVM IR → machine code in memory, remembered between runs.

Two ways lead there. The thorough one is LLVM's usual pipeline; the quick one, a few passes that matter most, takes half the
time for code that takes a tenth longer, and is for long modules, as long as nobody knows whether they will run for long.

The same IR on the same machine gives the same object code, so it is kept in the user's cache folder under a hash of all it
depends on. A cache that cannot be read or written is as good as none: nothing depends on it but time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm

KEEP = 256  # objects kept; the least recently used go first
# LLVM's newer value numbering takes memory with the square of a function's length: 150 MB at 32,000 lines, 600 MB at 67,000 and
# more than 24 GB at 260,000, which are the initial states of a small spec with many choices.
NUMBERED = 30_000  # lines of a function up to which it is used


def machine() -> Any:
    """The target: this processor, with all it can do.  A new one for each engine, which owns it and deletes it in the end."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    features = llvm.get_host_cpu_features().flatten()
    return target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=2, codemodel="jitdefault")


def extracts() -> bool:
    """Does this machine extract and deposit bits by an instruction?"""
    return bool(llvm.get_host_cpu_features().get("bmi2"))


def load(ir: str, quick: bool = False) -> tuple[Any, bool]:
    """An engine that holds the module's machine code (ask it for addresses, and keep it as long as they are used), and whether
    that was made the thorough way, which it is even if asked for quickly where it is known from before."""
    for thorough in (True, False) if quick else (True,):
        code = _read(_folder() / _key(ir, thorough))
        engine = _engine(code) if code else None
        if engine is not None:
            return engine, thorough
    code = compile_ir(ir, not quick)
    _write(_folder() / _key(ir, not quick), code)
    engine = _engine(code)
    assert engine is not None
    return engine, not quick


def compile_ir(ir: str, thorough: bool = True) -> bytes:
    """Optimised object code for a module."""
    target = machine()
    module = llvm.parse_assembly(ir)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = options.slp_vectorization = False
    builder = llvm.create_pass_builder(target, options)
    passes = builder.getModulePassManager() if thorough else _few_passes(ir)
    passes.run(module, builder)
    return bytes(target.emit_object(module))


def _few_passes(ir: str) -> Any:
    longest = max(function.count("\n") for function in ir.split("\ndefine"))
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.add_simplify_cfg_pass()
    if longest <= NUMBERED:
        passes.add_new_gvn_pass()
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    passes.add_aggressive_dce_pass()
    return passes


def _engine(code: bytes) -> Any:
    """None if it is no object code (a damaged cache)."""
    target = machine()
    try:
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
    except RuntimeError:
        return None
    return engine


def _key(ir: str, thorough: bool) -> str:
    processor = f"{llvm.get_host_cpu_name()} {llvm.get_host_cpu_features().flatten()}"
    about = f"{llvmlite.__version__} {llvm.llvm_version_info} {processor} {thorough}"
    return hashlib.sha256(f"{about}\n{ir}".encode()).hexdigest()


def _folder() -> Path:
    base = os.environ.get("SPECTRACE_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "spectrace" / "objects"


def _read(path: Path) -> bytes | None:
    """What was stored, if its checksum is right."""
    try:
        data = path.read_bytes()
        os.utime(path)
    except OSError:
        return None
    digest, code = data[:32], data[32:]
    return code if hashlib.sha256(code).digest() == digest else None


def _write(path: Path, code: bytes) -> None:
    """Stores whole files only, and drops the oldest beyond KEEP."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as f:
            f.write(hashlib.sha256(code).digest() + code)
        os.replace(f.name, path)
        every = sorted(path.parent.iterdir(), key=lambda p: p.stat().st_mtime)
        for old in every[:-KEEP]:
            old.unlink(missing_ok=True)
