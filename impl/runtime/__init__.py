"""Executes the process actions of a spec as the nodes of a cluster.

protocol (what a spec leaves open) → plan (who is there) → core (one node, without I/O) → simulate (seeded network, disk and
clock) or host (TCP, SQLite).  Both drive the same core: a Ready is persisted, then sent, then followed by the next.
Nothing here knows a protocol.
"""
