"""Accounts: credentials now; phone verification, devices and invites as they come. Imports `kith.core`."""
