"""Media in the SDK: files are prepared, encrypted, uploaded, described, downloaded and authenticated here.

docs/media.md has the design and the wire. What needs a library of the extra ``media`` imports it when it is
used, so that `kith.client` stays quick to import.
"""
