"""What is to go on to other nodes: a queue in an SQLite file of its own, and how far the journal
was followed into it.

Both change in one transaction, and what a receiver acknowledged is on the disk when `sent` returns:
whatever is killed, nothing is left out, and nothing that was noted is sent again.
"""
