"""Nodes, their stores, the network and the people, in one process on a virtual clock.

`world.py` runs a schedule, and says which promises were broken. Everything follows from the schedule and its
seed, so that what went wrong once goes wrong again (docs/architecture.md, "The simulation").
"""
