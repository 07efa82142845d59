"""Small records of an account or the server: devices, passwords, invitations, reports, and the like.

Each file defines how its records are stored as documents. Imports `kith.ports` and below.
"""
