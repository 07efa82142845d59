"""The web app (`web/`) beside the server and the Python client: what they say to each other fits."""
