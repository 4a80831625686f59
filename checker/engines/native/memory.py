"""Raw memory: address space that grows in place, and the few instructions by which compiled loops touch it.

Here live `Region` (reserve much, touch only what is used), the memory the machine can spare, and the Numba intrinsics
for loads, stores, prefetch, a 128-bit multiply and calls through addresses. Nothing here knows what a state is.
Invariant: bytes of a region that nobody wrote are zero, and growing keeps every byte written.

Who changes an instruction must touch the files that use it: Numba's cache goes by the date of the kernel's own file.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

LARGE = 2 << 20  # bytes of scattered memory beyond which large pages are asked for
CACHE_LINE = 64


class Region:
    """A zeroed array of bytes that grows. Where the system can reserve address space it never moves; else it is copied.

    `reserve` is the most it will ever hold, in bytes. `address` may change in `grow` only, and only without reservation.
    `scattered`: it is used here and there at once, so that large pages pay once it is large; else they only cost (a virtual
    machine may have to find each of them piece by piece).
    """

    def __init__(self, reserve: int, size: int = 0, scattered: bool = False) -> None:
        self.reserved = max(mmap.PAGESIZE, reserve)
        self.size = 0
        self._map = _reserve(self.reserved, huge_pages=scattered)
        self._bytes = _aligned(0) if self._map is None else np.frombuffer(self._map, np.uint8)
        self.grow(size)

    @property
    def fixed(self) -> bool:
        """Does it stay where it is?"""
        return self._map is not None

    @property
    def address(self) -> int:
        return int(self._bytes.ctypes.data)

    def grow(self, size: int) -> None:
        """Make the first `size` bytes usable. Raises MemoryError beyond the reservation."""
        if size > self.reserved:
            raise MemoryError(f"{size} bytes wanted of {self.reserved} reserved")
        if self._map is None and size > self.size:
            grown = _aligned(size)
            grown[: self.size] = self._bytes[: self.size]
            self._bytes = grown
        self.size = max(self.size, size)

    def view(self, dtype: Any, count: int) -> NDArray[Any]:
        """The first `count` items as an array; it keeps the memory alive, and is stale after a copying `grow`."""
        return self._bytes[: count * np.dtype(dtype).itemsize].view(dtype)


def _aligned(size: int) -> NDArray[np.uint8]:
    """Zeroed bytes that start at a cache line."""
    room = np.zeros(size + CACHE_LINE, np.uint8)
    start = -int(room.ctypes.data) % CACHE_LINE
    return room[start : start + size]


def _reserve(size: int, huge_pages: bool) -> mmap.mmap | None:
    """Address space without commitment, from LARGE on in huge pages if the system has them; None where it cannot be reserved."""
    flags = getattr(mmap, "MAP_PRIVATE", 0) | getattr(mmap, "MAP_ANONYMOUS", 0)
    if not flags:
        return None
    try:
        area = mmap.mmap(-1, size, flags=flags | getattr(mmap, "MAP_NORESERVE", 0))
    except (OSError, ValueError, OverflowError):
        return None
    if huge_pages and size > LARGE and hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a kernel without them: small pages do
            area.madvise(mmap.MADV_HUGEPAGE, LARGE)
    return area


# -- what the machine can spare ------------------------------------------------------------------------------------------


def available_memory() -> int:
    """Bytes this process may still take: what the machine has free, or its control groups allow, if that is less."""
    return max(0, min([_machine_memory(), *_group_memory()]))


def _machine_memory() -> int:
    with suppress(OSError, KeyError, ValueError):
        fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return int(fields["MemAvailable"].split()[0]) << 10
    with suppress(AttributeError, OSError, ValueError):  # not Linux: half of what is there
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return 4 << 30


_GROUP_FILES = (  # root, limit, usage, what of the usage the kernel gives back when asked
    ("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def _group_memory() -> list[int]:
    """Room left in every control group around this process (both versions of the interface)."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    rooms = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        root, *names = _GROUP_FILES[controllers == "memory"]
        folder = Path(root + path)
        for group in (folder, *folder.parents):
            room = _room(group, *names)
            if room is not None:
                rooms.append(room)
            if str(group) == root:
                break
    return rooms


def _room(group: Path, limit: str, usage: str, reclaimable: str) -> int | None:
    try:
        most, used = int((group / limit).read_text()), int((group / usage).read_text())
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return most - used + int(stat.get(reclaimable, 0))
    except (OSError, ValueError):  # no such group, or its limit is "max"
        return None


def address_of(array: NDArray[Any]) -> int:
    return int(array.ctypes.data)


def symbol(function: Any) -> int:
    """The address of a ctypes function."""
    return int(ctypes.cast(function, ctypes.c_void_p).value or 0)


# -- instructions ----------------------------------------------------------------------------------------------------------

_I8, _I32, _I64, _I128 = (ir.IntType(bits) for bits in (8, 32, 64, 128))


def _pointer(builder: Any, base: Any, index: Any, kind: Any) -> Any:
    scale = ir.Constant(_I64, kind.width // 8)
    return builder.inttoptr(builder.add(base, builder.mul(index, scale)), kind.as_pointer())


@intrinsic
def get(_context: Any, base: Any, index: Any) -> Any:
    """Word number `index` (u64) from the address `base` on."""

    def emit(_c: Any, builder: Any, _s: Any, args: Any) -> Any:
        return builder.load(_pointer(builder, args[0], args[1], _I64), typ=_I64)

    return types.uint64(types.int64, types.int64), emit


@intrinsic
def put(_context: Any, base: Any, index: Any, value: Any) -> Any:
    """Store a word (u64)."""

    def emit(context: Any, builder: Any, _s: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(builder, args[0], args[1], _I64))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.uint64), emit


@intrinsic
def load(_context: Any, base: Any, index: Any) -> Any:
    """Word number `index` as a signed number."""

    def emit(_c: Any, builder: Any, _s: Any, args: Any) -> Any:
        return builder.load(_pointer(builder, args[0], args[1], _I64), typ=_I64)

    return types.int64(types.int64, types.int64), emit


@intrinsic
def store(_context: Any, base: Any, index: Any, value: Any) -> Any:
    """Store a signed number."""

    def emit(context: Any, builder: Any, _s: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(builder, args[0], args[1], _I64))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), emit


@intrinsic
def get32(_context: Any, base: Any, index: Any) -> Any:
    """Half word number `index` (u32, widened) from the address `base` on."""

    def emit(_c: Any, builder: Any, _s: Any, args: Any) -> Any:
        return builder.zext(builder.load(_pointer(builder, args[0], args[1], _I32), typ=_I32), _I64)

    return types.int64(types.int64, types.int64), emit


@intrinsic
def put32(_context: Any, base: Any, index: Any, value: Any) -> Any:
    """Store the low half of a word (u32)."""

    def emit(context: Any, builder: Any, _s: Any, args: Any) -> Any:
        builder.store(builder.trunc(args[2], _I32), _pointer(builder, args[0], args[1], _I32))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), emit


def _wide(builder: Any, base: Any, words: int) -> Any:
    """So many words at `base` as one vector (not aligned)."""
    vector = ir.VectorType(_I64, words)
    return builder.load(builder.inttoptr(base, vector.as_pointer()), typ=vector, align=8)


def _copy(words: int) -> Any:
    def emit(context: Any, builder: Any, _s: Any, args: Any) -> Any:
        target = builder.inttoptr(args[1], ir.VectorType(_I64, words).as_pointer())
        builder.store(_wide(builder, args[0], words), target, align=8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), emit


def _unlike(words: int) -> Any:
    def emit(_c: Any, builder: Any, _s: Any, args: Any) -> Any:
        different = builder.icmp_unsigned("!=", _wide(builder, args[0], words), _wide(builder, args[1], words))
        return builder.zext(builder.bitcast(different, ir.IntType(words)), _I64)

    return types.int64(types.int64, types.int64), emit


@intrinsic
def copy2(_context: Any, source: Any, target: Any) -> Any:
    """Copy 2 words."""
    return _copy(2)


@intrinsic
def copy4(_context: Any, source: Any, target: Any) -> Any:
    """Copy 4 words."""
    return _copy(4)


@intrinsic
def unlike2(_context: Any, a: Any, b: Any) -> Any:
    """0 if the 2 words at these addresses are equal."""
    return _unlike(2)


@intrinsic
def unlike4(_context: Any, a: Any, b: Any) -> Any:
    """0 if the 4 words at these addresses are equal."""
    return _unlike(4)


@intrinsic
def prefetch(_context: Any, address: Any) -> Any:
    """Ask for the cache line at `address`; any address is allowed."""

    def emit(context: Any, builder: Any, _s: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [_I8.as_pointer(), _I32, _I32, _I32])
        function = builder.module.declare_intrinsic("llvm.prefetch.p0", (), kind)
        read, keep, data = (ir.Constant(_I32, n) for n in (0, 3, 1))
        builder.call(function, [builder.inttoptr(args[0], _I8.as_pointer()), read, keep, data])
        return context.get_dummy_value()

    return types.void(types.int64), emit


@intrinsic
def fold(_context: Any, a: Any, b: Any) -> Any:
    """High xor low half of the 128-bit product (the step of wyhash)."""

    def emit(_c: Any, builder: Any, _s: Any, args: Any) -> Any:
        wide = builder.mul(builder.zext(args[0], _I128), builder.zext(args[1], _I128))
        high = builder.trunc(builder.lshr(wide, ir.Constant(_I128, 64)), _I64)
        return builder.xor(high, builder.trunc(wide, _I64))

    return types.uint64(types.uint64, types.uint64), emit


def _which(builder: Any, base: Any, bits: Any, most: int) -> Any:
    """Mask of the 8 words at `base` that differ from `bits` by at most `most`, seen as an unsigned exclusive or."""
    vector = ir.VectorType(_I64, 8)
    words = builder.load(builder.inttoptr(base, vector.as_pointer()), typ=vector, align=64)
    alike = builder.insert_element(ir.Constant(vector, ir.Undefined), bits, ir.Constant(_I32, 0))
    alike = builder.shuffle_vector(alike, alike, ir.Constant(ir.VectorType(_I32, 8), [0] * 8))
    most = ir.Constant(vector, [most] * 8)
    mask = builder.icmp_unsigned("<=", builder.xor(words, alike), most)
    return builder.zext(builder.bitcast(mask, _I8), _I64)


@intrinsic
def tagged(_context: Any, base: Any, mixed: Any) -> Any:
    """Bit i is set if word i of the 8 aligned ones at `base` has the upper half of `mixed`."""

    def emit(_c: Any, builder: Any, _s: Any, args: Any) -> Any:
        return _which(builder, args[0], args[1], 0xFFFFFFFF)

    return types.int64(types.int64, types.uint64), emit


@intrinsic
def vacant(_context: Any, base: Any) -> Any:
    """Bit i is set if word i of the 8 aligned ones at `base` is zero."""

    def emit(_c: Any, builder: Any, _s: Any, args: Any) -> Any:
        return _which(builder, args[0], ir.Constant(_I64, 0), 0)

    return types.int64(types.int64), emit


@intrinsic
def lowest(_context: Any, mask: Any) -> Any:
    """Number of the lowest bit set; 64 if none is."""

    def emit(_c: Any, builder: Any, _s: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64), emit


def _call(arity: int) -> Any:
    """Call the C function at an address with `arity` words; the result is a word (meaningless if it returns void)."""

    def emit(_c: Any, builder: Any, _s: Any, args: Any) -> Any:
        kind = ir.FunctionType(_I64, [_I64] * arity)
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])

    signature = types.int64(*[types.int64] * (arity + 1))
    return signature, emit


@intrinsic
def call2(_context: Any, function: Any, a: Any, b: Any) -> Any:
    return _call(2)


@intrinsic
def call3(_context: Any, function: Any, a: Any, b: Any, c: Any) -> Any:
    return _call(3)


@intrinsic
def call5(_context: Any, function: Any, a: Any, b: Any, c: Any, d: Any, e: Any) -> Any:
    return _call(5)
