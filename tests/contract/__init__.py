"""What `kith.ports.store` promises, for every kind of store (`conftest.BACKENDS`)."""
