"""The commands, a file each: its options, what it does and what it says."""
