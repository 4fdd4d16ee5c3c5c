"""What is done to an archive that is there: changes, checks, recovery."""
