"""Specs as running clusters: `runtime` executes any runnable spec, the other packages say what a spec of their name leaves open.

`impl` imports `checker`, never the other way round.
"""
