"""What every room stands on, and what knows no XMPP: time, ids, counts and bounds."""
