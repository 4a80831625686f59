"""Which faults a simulated run injects, and how often: `--faults crash,partition,loss=0.1`.

A number after a fault is its rate: of `loss`, `duplicate` and `torn` the probability; of `crash` and `partition` the mean
number of seconds between two; of `delay` the mean delay of a message in seconds; of `drift` how far a clock may be off.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from checker.settings import Mistake, nearest

WHEN_ON = {"crash": 3.0, "partition": 5.0, "loss": 0.05, "duplicate": 0.05, "torn": 0.5, "delay": 0.02, "drift": 0.05}


@dataclass(frozen=True)
class Faults:
    """Zero: never.  `torn`: how likely a transaction that was not synced yet survives the crash that meets it."""

    crash: float = 0.0
    partition: float = 0.0
    loss: float = 0.0
    duplicate: float = 0.0
    torn: float = 0.5
    delay: float = 0.005
    drift: float = 0.0
    outage: float = 0.5  # mean seconds until a crashed node is back, or a partition is healed


def parse_faults(text: str) -> Faults:
    """The faults of `--faults`.  Raises Mistake."""
    found = Faults()
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, equals, number = (part.strip() for part in item.partition("="))
        if name not in WHEN_ON:
            raise Mistake(f"--faults {item}: no such fault", nearest(name, WHEN_ON) or f"there are {', '.join(WHEN_ON)}")
        try:
            rate = float(number) if equals else WHEN_ON[name]
        except ValueError:
            raise Mistake(f"--faults {item}: `{number}` is not a number", f"for example {name}={WHEN_ON[name]}") from None
        top = 1.0 if name in ("loss", "duplicate", "torn") else 1e9
        if not 0 <= rate <= top or (name == "loss" and rate == 1.0):
            raise Mistake(f"--faults {item}: out of range", f"for example {name}={WHEN_ON[name]}")
        found = replace(found, **{name: rate})
    return found
