"""What a feature is, how it is made with what it needs, and the table of what features have to say."""
