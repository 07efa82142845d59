"""From a stream's header to a session: TLS, SASL, binding and resumption."""
