"""Node to node. Implements `kith.core.ports.Bus`; only `kith.server` imports it."""
