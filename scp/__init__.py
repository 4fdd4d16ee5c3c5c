"""The network node: configuration, processes, associations and the DIMSE services."""
