"""The HTTP API: one file for each resource. Its OpenAPI description is made from its types."""
