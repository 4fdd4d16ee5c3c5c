"""An archive that several nodes have: its index, journal and states in PostgreSQL, objects beside.

`place` says where that is, and is all that others load before they know; `opened` has what a
process uses of it, `ledger` the tables beside those of the index.
"""
