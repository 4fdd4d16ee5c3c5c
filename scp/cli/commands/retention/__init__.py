"""Commands on what may stay: pins, and the rules of [retention]."""
