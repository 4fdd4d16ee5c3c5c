"""DICOMweb, measured: the servers, a client that costs next to nothing, and what it asks."""
