"""Small things that are kept of an account or a server, each behind the functions that know its form."""
