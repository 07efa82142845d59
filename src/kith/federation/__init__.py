"""Other servers: finding them, proving who is who, streams each way. Imports `kith.core` and below."""
