"""Pictures that everybody may see are prepared in worker processes of their own (`pool`, `worker`).

Decoders of pictures are what attackers like best. So none of them runs in the server's process: a picture
that needs too much memory or time, or makes the decoder crash, ends one worker and nothing else.
"""
