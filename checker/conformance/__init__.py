"""Does a recorded behaviour of an implementation belong to a spec?

lines → order (events) → rules (which steps, what was seen) → search (the states that explain it) → verdict, diagnosis.  A
binding says how the two vocabularies meet; everything else is general.  Nothing here knows a protocol.
"""

from checker.conformance.log import EventLog

__all__ = ["EventLog"]
