"""Input that was mutated, and what has to hold under it."""
