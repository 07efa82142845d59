"""The blob store that the settings name."""

from __future__ import annotations

from concurrent.futures import Executor

from kith.base.clock import Clock
from kith.config import Config
from kith.media.cdn import DeliveredBlobs, make_signer
from kith.media.folder import FolderBlobs
from kith.media.s3 import Bucket, S3Blobs
from kith.ports.blobs import Blobs

#: The path at which the media server itself sends blobs, for a CDN in front of it.
SOURCE = "/o/"


def make_blobs(config: Config, disk: Executor, clock: Clock) -> Blobs:
    """The blob store of the settings. Raises BlobError if a file that they name is of no use."""
    blobs: Blobs
    if config.media_store == "s3":
        blobs = S3Blobs(_bucket(config), config.media_s3_direct)
        place = f"/{prefix}/" if (prefix := config.media_s3_prefix.strip("/")) else "/"
    else:
        blobs = FolderBlobs(config.media_folder / "blobs", disk)
        place = SOURCE
    if not config.media_cdn_url:
        return blobs
    assert config.media_cdn_key is not None  # see the rules for settings
    signer = make_signer(config.media_cdn_kind, config.media_cdn_key_id, config.media_cdn_key)
    return DeliveredBlobs(blobs, config.media_cdn_url.rstrip("/") + place, signer, clock)


def _bucket(config: Config) -> Bucket:
    return Bucket(
        config.media_s3_bucket,
        config.media_s3_endpoint,
        config.media_s3_region,
        config.media_s3_prefix,
        config.media_s3_key_id,
        config.media_s3_secret,
    )
