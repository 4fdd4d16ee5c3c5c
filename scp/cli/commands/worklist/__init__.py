"""Commands on the worklist: what is to be done, and what became of it."""
