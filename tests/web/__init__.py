"""The web app against a real `kith serve`: its sync layer under Node (`web/tests/driver`)."""
