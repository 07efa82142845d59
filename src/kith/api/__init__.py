"""The HTTP API: one file for each resource, described by its own types. Imports the rooms."""
