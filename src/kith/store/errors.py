"""What a person is told when the store can't be used."""


class StoreError(Exception):
    """The database can't be opened or written; the text is one line for a person."""


class Locked(StoreError):
    """Another process has kept the database for itself for too long."""
