"""Files of instances as objects: each under a key of its own that is never used twice.

`contract` is what a store of objects does; `remote` is one behind S3's interface, `shared_folder`
a folder that several nodes have. Neither is loaded before it is asked for: `obstore` comes with
the extra `minipacs[s3]`.
"""
