"""The log and everything else that lasts. Implements `kith.core.ports.Store`; only `kith.server` and
`kith.cli` import it."""
