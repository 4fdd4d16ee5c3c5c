"""What is retrieved of instances: files, metadata, bulk data, frames, pictures."""
