"""Media: blobs that the server stores without being able to read them, and public pictures."""
