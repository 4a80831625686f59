"""Induction for any sizes: sorts without a size, in first-order logic."""
