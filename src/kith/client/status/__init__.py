"""Status: what people show their contacts for a day (docs/status.md).

Texts, pictures, videos and recordings, encrypted for an audience that this device chooses.
"""
