"""Serves the web app at ``/`` and the page for operators at ``/admin``, with content security policies.

Both are files built from ``web/``.

The files are read once, at the start, so that a request can't name other files, and a new build does not
change a page that is half loaded. The build puts compressed copies beside files that gain from it (``.br``,
``.gz``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from aiohttp import ETag, web
from aiohttp.typedefs import Handler

#: Encodings, the best one first.
_ENCODINGS = {"br": ".br", "gzip": ".gz"}
_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
}
_TEXT = ("text/", "application/json", "application/manifest+json")
_INDEX = "/index.html"
#: The icon for programs that request ``/favicon.ico`` without having read the page.
_SIGN = "/icon-192.png"
_ADMIN = "/admin.html"
#: The paths that serve a page, and its file.
_PAGES = {"/": _INDEX, "/link": _INDEX, "/admin": _ADMIN}
#: Files with a hash of their content in their names.
_HASHED = "/assets/"
#: A valid Host header (RFC 9110 §7.2), restricted to what may stand in a policy.
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    # profile pictures come from the browser's own storage
    "img-src": "'self' blob:",
    "media-src": "'self' blob:",
    "manifest-src": "'self'",
    "worker-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    # text can't become markup or script, except in the app's own templates and its service worker
    "require-trusted-types-for": "'script'",
    "trusted-types": "svelte-trusted-html kith",
}
#: The page for operators needs less: no stream, no service worker, no camera.
_ADMIN_POLICY = {
    **_POLICY,
    "img-src": "'self'",
    "media-src": "'none'",
    "manifest-src": "'none'",
    "worker-src": "'none'",
    "trusted-types": "svelte-trusted-html",
    "connect-src": "'self'",
}
_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "camera=(self), microphone=(self), display-capture=(self), geolocation=(self), payment=(), usb=()"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Vary": "Accept-Encoding",
}


#: In an application: returns the origins of media that the app's page may connect to.
MEDIA_ORIGINS: web.AppKey[Callable[[web.Request], Collection[str]]] = web.AppKey("media origins")


class File(NamedTuple):
    """A file to serve. ``bodies`` are by encoding; that of ``""`` is the uncompressed file."""

    type: str
    tag: str
    bodies: dict[str, bytes]
    lasting: bool


def built() -> Path | None:
    """The folder of the built app: in the package, else in the clone. None if it was not built."""
    package = Path(__file__).parents[1]
    for folder in (package / "webapp", package.parents[1] / "web" / "dist"):
        if (folder / "index.html").is_file():
            return folder
    return None


def files(folder: Path) -> Iterator[tuple[str, File]]:
    """The files to serve, by path. Raises OSError."""
    for path in sorted(folder.rglob("*")):
        kind = _TYPES.get(path.suffix)
        if kind is None or not path.is_file():
            continue
        name = "/" + path.relative_to(folder).as_posix()
        bodies = {"": path.read_bytes()}
        for encoding, suffix in _ENCODINGS.items():
            packed = path.with_name(path.name + suffix)
            if packed.is_file():
                bodies[encoding] = packed.read_bytes()
        tag = hashlib.sha256(bodies[""]).hexdigest()[:32]
        yield name, File(kind, tag, bodies, name.startswith(_HASHED))


class WebApp:
    """The routes of the app's page and of its files."""

    def __init__(self, folder: Path) -> None:
        """Reads the files of the app. Raises OSError if the folder can't be read or has no app."""
        self._files = dict(files(folder))
        if _SIGN in self._files:
            self._files.setdefault("/favicon.ico", self._files[_SIGN])
        if _INDEX not in self._files:
            raise FileNotFoundError(f"no index.html in {folder}")

    def add_to(self, app: web.Application) -> None:
        pages = [path for path, name in _PAGES.items() if name in self._files]
        for path in (*pages, *self._files):
            app.router.add_get(path, self._answer)
        app.middlewares.append(self._lost)

    @web.middleware
    async def _lost(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answers browsers that follow a wrong link with a page that says so and leads to the app."""
        try:
            return await handler(request)
        except web.HTTPNotFound:
            if request.method != "GET" or "text/html" not in request.headers.get("Accept", ""):
                raise
            answer = self._respond(request, self._files[_INDEX])
            if answer.status == 200:
                answer.set_status(404)
            return answer

    async def _answer(self, request: web.Request) -> web.Response:
        name = _PAGES.get(request.path, request.path)
        return self._respond(request, self._files.get(name) or self._files[_INDEX])

    def _respond(self, request: web.Request, file: File) -> web.Response:
        encoding = _best(request.headers.get("Accept-Encoding", ""), file)
        tag = f"{file.tag}-{encoding}" if encoding else file.tag
        headers = dict(_HEADERS)
        headers["Cache-Control"] = "public, max-age=31536000, immutable" if file.lasting else "no-cache"
        headers["ETag"] = f'"{tag}"'
        if file is self._files.get(_ADMIN):
            headers["Content-Security-Policy"] = _joined(_ADMIN_POLICY)
            headers["Permissions-Policy"] = headers["Permissions-Policy"].replace("(self)", "()")
        else:
            headers["Content-Security-Policy"] = _policy(request)
        if _holds(request.if_none_match, tag):
            return web.Response(status=304, headers=headers)
        if encoding:
            headers["Content-Encoding"] = encoding
        text = file.type.startswith(_TEXT)
        headers["Content-Type"] = file.type + ("; charset=utf-8" if text else "")
        return web.Response(body=file.bodies[encoding], headers=headers)


def _policy(request: web.Request) -> str:
    """The content security policy: only this origin, and that of media.

    Browsers differ on whether 'self' includes ws://.
    """
    connect = "'self'"
    if _HOST.fullmatch(request.host):
        connect += f" ws://{request.host} wss://{request.host}"
    origins = request.app.get(MEDIA_ORIGINS)
    if origins is not None:
        connect += "".join(f" {origin}" for origin in sorted(origins(request)))
    return _joined({**_POLICY, "connect-src": connect})


def _joined(policy: dict[str, str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in policy.items())


def _best(accepted: str, file: File) -> str:
    """The best encoding that the client accepts (RFC 9110 §12.5.3); empty for the uncompressed file."""
    wanted = {}
    for item in accepted.lower().split(","):
        name, _, weight = item.partition(";")
        wanted[name.strip()] = re.sub(r"\s", "", weight) not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return next((name for name in _ENCODINGS if name in file.bodies and wanted.get(name)), "")


def _holds(known: tuple[ETag, ...] | None, tag: str) -> bool:
    return known is not None and any(one.value in (tag, "*") for one in known)
