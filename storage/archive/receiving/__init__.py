"""An instance as it came, and how it is stored where several nodes have the archive.

`received` is what each store takes and gives; `shared_stores` is loaded where an archive is shared.
"""
