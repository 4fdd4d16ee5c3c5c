"""Commands of the node: its configuration, and whom it speaks with."""
