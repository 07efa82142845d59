"""The commands for operators. They may import everything of the server; `kith.cli` parses their options."""
