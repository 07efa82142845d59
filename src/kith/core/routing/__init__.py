"""Where a stanza goes: to sessions here, to whoever answers a request, to another domain."""
