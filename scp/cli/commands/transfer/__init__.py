"""Commands by which instances come in and go out."""
