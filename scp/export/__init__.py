"""What is held, as files for others: in a folder, in a zip archive, on media."""
