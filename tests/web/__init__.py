"""The web app against a real `kith serve` and beside the Python client, under Node (`web/tests/driver`)."""
