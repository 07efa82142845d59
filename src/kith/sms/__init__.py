"""Text messages: the console and HTTP gateways, behind `kith.core.ports.SMS`. Imports `kith.core`."""
