"""Lemmas found, not given: what the reachable states of a small instance have in common, as far as a proof needs it."""
