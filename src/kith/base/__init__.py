"""Basics that know no XMPP: time, ids, random numbers, counters and limits. Imports only `kith.wire`."""
