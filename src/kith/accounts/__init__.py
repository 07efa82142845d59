"""Accounts: phone numbers and codes, PINs, app passwords, linking, credentials. Imports `kith.core`."""
