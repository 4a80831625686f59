"""Z3: finite values and expressions as Boolean terms.  No other engine is imported here, and z3 is imported nowhere else."""
