"""Groups (docs/protocol.md, Groups): who is in them, what is said in them, and how that is encrypted.

`kith.client.Client` has the calls. What is here may import `kith.client`, and nothing of the server.
"""
