"""What a node sees to while it serves: index, documents, retention, compaction, the worklist.

Each is kept by the supervisor, and does its work in a child at low priority.
"""
