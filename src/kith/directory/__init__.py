"""LDAP, behind `kith.ports.directory.Directory`."""
