"""Commands that change what is held."""
