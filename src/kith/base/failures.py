"""Why a server can't start."""


class StartError(Exception):
    """The server can't start. The text is one line for the operator."""
