"""The terminal client: a Textual app on top of `kith.client.Client`.

Widgets render values and post messages; only `app.py` and `dialogs.py` talk to the client.
"""
