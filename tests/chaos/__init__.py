"""What Kith promises while everything around it fails: `make test` a short form, `make chaos` the long one."""
