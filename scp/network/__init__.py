"""DICOM on the wire, from TLS over PS3.8 and PS3.7 to the services of PS3.4."""
