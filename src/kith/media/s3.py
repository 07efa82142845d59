"""Blobs in a bucket of S3, or of anything that speaks its protocol, through `obstore`."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import structlog

from kith.ports.blobs import BlobError, BlobMissing, Serving, is_blob_id

if TYPE_CHECKING:
    from obstore.store import S3Config

logger = structlog.get_logger("kith")
_T = TypeVar("_T")
_U = TypeVar("_U")
#: Small, since slow clients keep one each.
_PIECE = 128 * 1024
#: The least size of a part of an upload, and how many parts one may have at most (S3 allows 10 000).
_PART = 8 * 1024 * 1024
_PARTS = 5000
#: How many parts of one file are sent at once, and how many files.
_PARTS_AT_ONCE = 2
_FILES_AT_ONCE = 4
#: How long a request that transfers little may take, in seconds.
_PATIENCE = 10.0
#: The slowest upload that is waited for, in bytes per second.
_SLOWEST = 256 * 1024
#: How long a signed address is valid, and for how long the same one is given again, in seconds. A browser's
#: cache knows a file by its address.
_VALID = 6 * 3600
_SAME = 3600.0
_ADDRESSES = 10_000


class Bucket(NamedTuple):
    """Where the bucket is. What is empty is taken from the environment, as AWS tools do it."""

    name: str
    endpoint: str = ""
    region: str = ""
    prefix: str = ""
    key_id: str = ""
    secret: str = ""


class S3Blobs:
    """A `kith.ports.blobs.Blobs` in a bucket.

    ``direct``: whether `address` gives signed addresses of the bucket. If not, the media server sends what
    it reads. ``patience``: seconds for a request that transfers little, and for each piece of a transfer.
    """

    def __init__(self, bucket: Bucket, direct: bool = True, patience: float = _PATIENCE) -> None:
        self._patience = patience
        self._bucket = bucket
        self._direct = direct
        self._files = asyncio.Semaphore(_FILES_AT_ONCE)
        self._addresses: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def _open(self) -> None:
        """Raises BlobError if the library is missing, or the settings are of no use."""
        bucket = self._bucket
        try:
            import obstore
            from obstore.exceptions import BaseError
            from obstore.store import S3Store
        except ImportError:
            raise BlobError("S3 needs the package obstore: pip install 'kith[s3]'") from None
        self._obstore = obstore
        self._errors = BaseError
        try:
            self._store = S3Store(
                bucket.name,
                prefix=bucket.prefix.strip("/") or None,
                config=_options(bucket),
                client_options={
                    "allow_http": bucket.endpoint.startswith("http://"),
                    "connect_timeout": timedelta(seconds=self._patience / 2),
                    "read_timeout": timedelta(seconds=3 * self._patience),
                    "timeout": timedelta(minutes=10),
                },
                retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=self._patience)},
            )
        except (BaseError, ValueError) as error:
            raise BlobError(f"the settings of S3 can't be used: {_line(error)}") from None

    async def start(self) -> None:
        """Writes and removes an object. Raises BlobError if it is refused, or the settings are of no use.

        A bucket that does not answer is no reason not to start: it may answer later.
        """
        self._open()
        obstore = self._obstore
        try:
            await self._do(obstore.put_async(self._store, ".kith-write-check", b"ok"))
            await self._do(obstore.delete_async(self._store, ".kith-write-check"))
        except _NoAnswer as error:
            logger.warning("the blob store does not answer", cause=str(error))

    async def stop(self) -> None:
        """Nothing runs on its own."""

    async def put(self, blob: str, spool: Path, size: int, serving: Serving) -> None:
        """Sends a spool file, in parts if it is large. The object appears when all of it has arrived."""
        key = _key(blob)
        if not await asyncio.to_thread(spool.exists):
            if await self.size(blob) == size:
                return  # an earlier call was interrupted after this
            raise BlobError("the spool file is gone")
        if (await asyncio.to_thread(spool.stat)).st_size != size:
            raise BlobError("the spool file has another size")
        async with self._files:
            sending = self._obstore.put_async(
                self._store,
                key,
                spool,
                attributes={
                    "Content-Type": serving.type,
                    "Content-Disposition": serving.disposition,
                    "Cache-Control": "public, max-age=31536000, immutable",
                },
                use_multipart=size > _PART,
                chunk_size=max(_PART, -(-size // _PARTS)),
                max_concurrency=_PARTS_AT_ONCE,
            )
            await self._do(sending, 3 * self._patience + size / _SLOWEST)
        if await self.size(blob) != size:
            await self.remove(blob)
            raise BlobError("the bucket has another size than was sent")
        await asyncio.to_thread(spool.unlink, missing_ok=True)

    async def size(self, blob: str) -> int | None:
        try:
            return (await self._do(self._obstore.head_async(self._store, _key(blob))))["size"]
        except BlobMissing:
            return None

    def path(self, blob: str) -> Path | None:
        return None

    async def address(self, blob: str, serving: Serving) -> str | None:
        """A signed address at the bucket. The object has the type that was given with it."""
        if not self._direct:
            return None
        now = asyncio.get_running_loop().time()
        address, until = self._addresses.get(blob, ("", 0.0))
        if until > now:
            return address
        valid = timedelta(seconds=_VALID)
        address = await self._do(self._obstore.sign_async(self._store, "GET", _key(blob), valid))
        self._addresses[blob] = address, now + _SAME
        self._addresses.move_to_end(blob)
        if len(self._addresses) > _ADDRESSES:
            self._addresses.popitem(last=False)
        return address

    async def read(self, blob: str, start: int, end: int) -> AsyncIterator[bytes]:
        if start >= end:
            return
        left = end - start
        async with self._reading():
            result = await self._do(
                self._obstore.get_async(self._store, _key(blob), options={"range": (start, end)})
            )
            pieces = result.stream(min_chunk_size=_PIECE)
            while data := await self._next(pieces, b""):
                for at in range(0, len(data), _PIECE):
                    piece = data[at : at + _PIECE]
                    left -= len(piece)
                    if left < 0:
                        raise BlobError("the bucket sends more than was asked for")
                    yield piece
        if left:
            raise BlobError("the bucket sends less than was asked for")

    async def remove(self, blob: str) -> None:
        self._addresses.pop(blob, None)
        with suppress(BlobMissing):
            await self._do(self._obstore.delete_async(self._store, _key(blob)))

    async def all(self) -> AsyncIterator[str]:
        async with self._reading():
            pages = self._obstore.list(self._store, chunk_size=1000)
            while page := await self._next(pages, ()):
                for found in page:
                    if is_blob_id(found["path"]):
                        yield found["path"]

    async def free(self) -> int | None:
        return None

    # -- errors -----------------------------------------------------------------------------------------

    async def _next(self, items: AsyncIterator[_T], end: _U) -> _T | _U:
        """The next item, which is waited for, but not for ever; ``end`` if there is none."""
        async with asyncio.timeout(3 * self._patience):
            try:
                return await items.__anext__()  # the library's awaitables do not work with anext()
            except StopAsyncIteration:
                return end

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[None]:
        """Turns the errors of the library into BlobError."""
        try:
            yield
        except TimeoutError:
            raise _NoAnswer("S3 does not answer in time") from None
        except FileNotFoundError as error:
            kind = BlobError if "NoSuchBucket" in str(error) else BlobMissing
            raise kind(f"S3 does not have it: {_line(error)}") from None
        except (PermissionError, self._errors) as error:
            kind = BlobError if isinstance(error, PermissionError) or _is_refusal(error) else _NoAnswer
            raise kind(f"S3: {_line(error)}") from None
        except OSError as error:
            raise _NoAnswer(f"S3: {_line(error)}") from None

    async def _do(self, request: Awaitable[_T], seconds: float | None = None) -> _T:
        """Awaits a request. Raises BlobError."""
        async with self._reading(), asyncio.timeout(seconds or self._patience):
            return await request


class _NoAnswer(BlobError):
    """The bucket can't be reached, takes too long, or fails."""


def _options(bucket: Bucket) -> S3Config:
    """The settings that are not empty."""
    options: S3Config = {}
    if bucket.endpoint:
        options["endpoint"] = bucket.endpoint
    if bucket.region:
        options["region"] = bucket.region
    key = (bucket.key_id, bucket.secret) if bucket.key_id else _key_of_profile()
    if key is not None:
        options["access_key_id"], options["secret_access_key"] = key
    return options


def _key_of_profile() -> tuple[str, str] | None:
    """The access key in the file that AWS tools share, which the library does not read."""
    if "AWS_ACCESS_KEY_ID" in os.environ:
        return None
    file = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials").expanduser()
    profiles = ConfigParser(interpolation=None)
    try:
        profiles.read(file)
        profile = profiles[os.environ.get("AWS_PROFILE") or "default"]
        return profile["aws_access_key_id"], profile["aws_secret_access_key"]
    except (OSError, KeyError, ConfigParserError, UnicodeDecodeError):
        return None


def _key(blob: str) -> str:
    if not is_blob_id(blob):
        raise ValueError("not the id of a blob")
    return blob


def _is_refusal(error: Exception) -> bool:
    """Whether the server understood the request, and does not allow it."""
    return type(error).__name__ in (
        "PermissionDeniedError",
        "UnauthenticatedError",
        "InvalidPathError",
        "UnknownConfigurationKeyError",
    )


def _line(error: Exception) -> str:
    """What an error says, in one line without addresses, which may be signed."""
    said = str(error).partition("Debug source:")[0]
    text = " ".join(word for word in said.split() if "://" not in word and "Signature" not in word)
    return text[:300] or type(error).__name__
