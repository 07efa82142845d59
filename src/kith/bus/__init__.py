"""How nodes talk to each other. Only `local` so far: one node, which owns every slot.

Imports the ports and what is below them, nothing of the core.
"""
