"""Calls in the SDK: signalled by XEP-0353 and Jingle, as Conversations, Dino, Monal and Kith's web app do it.

The media are handled by aiortc, which the extra ``calls`` brings. It is imported with the first call, so
that `kith.client` stays quick to import.
"""
