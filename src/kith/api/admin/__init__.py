"""The HTTP admin API: one file for each resource, as in `kith.api`."""
