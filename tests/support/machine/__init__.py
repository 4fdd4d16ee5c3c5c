"""Disks and users of this machine, where a test may have them."""
