"""Federation: finds other servers, verifies them, and exchanges stanzas. Imports `kith.core` and below."""
