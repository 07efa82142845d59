"""The terminal client: a Textual app that shows what `kith.client.Client` tells, and asks it to act.

Widgets render values and post messages; only `app.py` talks to the client.
"""
