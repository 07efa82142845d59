"""The life of sessions: opening, resumption, saving over a restart, and ending, with devices and accounts."""
