"""Routing: delivers stanzas to sessions, to handlers of requests, and to other domains and nodes."""
