"""Login: from the stream header to a session, by TLS, SASL, and binding or resumption."""
