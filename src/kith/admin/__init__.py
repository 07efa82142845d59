"""What operators do and see, for commands and the admin API alike. Imports `kith.accounts` and below."""
