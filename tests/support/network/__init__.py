"""Peers and clients on the wire, as tests need them."""
