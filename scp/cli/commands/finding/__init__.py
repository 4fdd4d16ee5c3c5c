"""Commands that ask what there is."""
