"""Features: their base class, how they are constructed, and the table of their hooks."""
