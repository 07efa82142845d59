"""What the `kith` command does, apart from serving and chatting. May import everything of the server."""
