"""The log: which messages are stored, what was delivered, and what has to be sent later."""
