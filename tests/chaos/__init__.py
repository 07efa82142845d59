"""What Kith promises while everything around it fails. `make test` runs a short form, `make chaos` the long one."""
