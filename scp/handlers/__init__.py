"""One DIMSE service a module: from a request to its responses."""
