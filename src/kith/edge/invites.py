"""The landing pages of invitations (XEP-0401 §4.2) and of links to groups.

They have no scripts, and nothing from other sites.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib.resources import files
from typing import NamedTuple
from urllib.parse import quote

import segno
from aiohttp import web

from kith.base.domain import Domain
from kith.records.invites import Invite, Invites, uri


class App(NamedTuple):
    """An XMPP app to recommend. ``place``: the systems that it runs on, for people.

    ``systems``: words in the User-Agent of browsers on these systems.
    """

    place: str
    name: str
    url: str
    systems: tuple[str, ...]


APPS = (
    App("Android", "Conversations", "https://conversations.im", ("Android",)),
    App("iPhone, iPad and Mac", "Monal", "https://monal-im.org", ("iPhone", "iPad", "Mac OS")),
    App("Linux", "Dino", "https://dino.im", ("Linux",)),
    App("Windows and Linux", "Gajim", "https://gajim.org", ("Windows",)),
)
_STYLE = files("kith.edge").joinpath("invite.css").read_text()
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = {
    "default-src": "'none'",
    "style-src": f"'sha256-{_HASH}'",
    "img-src": "data:",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
_HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in _POLICY.items()),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Vary": "User-Agent",
}


class GroupLink(NamedTuple):
    """What the page of a link to a group shows: the group's name, and the URI that opens it in an app.

    ``picture``: a data URI of the group's picture, or empty.
    """

    name: str
    uri: str
    members: int
    picture: str


class InvitePages:
    """Serves ``/invite/TOKEN`` and ``/group/NAME/TOKEN``. All that is not valid gets the same page.

    ``may_register``: whether an invitation can be used to create an account. ``find_group``: finds the group
    that a link leads to, given its name and the token. ``find_face``: finds a data URI of the avatar of an
    account, given its address; empty if not everybody may see it. ``has_app``: whether the web app is on this
    server.
    """

    def __init__(
        self,
        domain: Domain,
        invites: Invites,
        may_register: bool,
        find_group: Callable[[str, str], Awaitable[GroupLink | None]],
        find_face: Callable[[str], Awaitable[str]],
        has_app: bool = False,
    ) -> None:
        self._domain = domain
        self._invites = invites
        self._may_register = may_register
        self._find_group = find_group
        self._find_face = find_face
        self._has_app = has_app

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/invite/{token}", self._page)
        app.router.add_get("/group/{name}/{token}", self._group_page)

    async def _group_page(self, request: web.Request) -> web.Response:
        name, token = request.match_info["name"], request.match_info["token"]
        link = await self._find_group(name, token) if len(token) <= 64 and len(name) <= 255 else None
        if link is None:
            return self._response(self._bad(), 404)
        here = f"/#/group/{quote(name, safe='')}/{quote(token, safe='')}" if self._has_app else ""
        return self._response(self._group(link, here, request.headers.get("User-Agent", "")), 200)

    async def _page(self, request: web.Request) -> web.Response:
        token = request.match_info["token"]
        invite = await self._invites.find(token) if len(token) <= 64 else None
        if invite is not None and invite.register and not self._may_register:
            invite = None
        if invite is not None:
            picture = await self._find_face(invite.contact) if invite.contact else ""
            body = self._good(token, invite, picture, request.headers.get("User-Agent", ""))
        else:
            body = self._bad()
        return self._response(body, 200 if invite is not None else 404)

    def _response(self, body: str, status: int) -> web.Response:
        text = (
            "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
            "<meta name='viewport' content='width=device-width,initial-scale=1'>"
            f"<meta name='robots' content='noindex'><title>{html.escape(self._domain.name)}</title>"
            f"<style>{_STYLE}</style></head><body><main>{body}</main></body></html>"
        )
        return web.Response(text=text, content_type="text/html", headers=_HEADERS, status=status)

    def _good(self, token: str, invite: Invite, picture: str, browser: str) -> str:
        domain = html.escape(self._domain.name)
        link = uri(self._domain.name, token, invite)
        who = html.escape(invite.contact)
        until = datetime.fromtimestamp(invite.expires, UTC)
        if invite.register:
            what = f"Your invitation is valid for an account on {domain}."
            if invite.name:
                what = f"Your account will be <b>{html.escape(invite.name)}@{domain}</b>."
        else:
            what = "Open the invitation in your chat app, with the account that you have, to become contacts."
        title = f"<b>{who}</b> invites you to chat" if who else f"You are invited to <b>{domain}</b>"
        return (
            f"<header>{_face(picture, invite.contact or self._domain.name)}"
            f"<h1>{title}</h1><p>{what} Messages are encrypted from device to device.</p></header>"
            f"<a class='go' href='{html.escape(link)}'>Open in my chat app</a>"
            f"<section class='scan'><div class='qr' role='img' aria-label='The invitation as a QR code'>"
            f"{_qr(link)}</div><p>Is the app on your phone? Scan this code with it.</p></section>"
            f"<section><h2>No app yet?</h2><p>Get one, then come back and press the button.</p>"
            f"{_apps(browser)}</section>"
            f"<footer>For one person, until {until.day} {until:%B %Y, %H:%M} UTC</footer>"
        )

    def _group(self, link: GroupLink, here: str, browser: str) -> str:
        """``here``: the address of the web app with the link; empty: there is none."""
        app = f"<a class='go' href='{html.escape(here)}'>Open in the web app</a>" if here else ""
        look = "go other" if app else "go"
        name = html.escape(link.name)
        people = "one member" if link.members == 1 else f"{link.members} members"
        return (
            f"<header>{_face(link.picture, link.name)}"
            f"<h1>You are invited to the group <b>{name}</b></h1>"
            f"<p>It has {people} on {html.escape(self._domain.name)}.</p></header>"
            f"{app}<a class='{look}' href='{html.escape(link.uri)}'>Open in my chat app</a>"
            "<section class='scan'><div class='qr' role='img' aria-label='The link as a QR code'>"
            f"{_qr(link.uri)}</div><p>Is the app on your phone? Scan this code with it.</p></section>"
            f"<section><h2>No app yet?</h2><p>Get one, then come back and press the button.</p>"
            f"{_apps(browser)}</section>"
        )

    def _bad(self) -> str:
        return (
            "<header><div class='face' aria-hidden='true'>?</div>"
            "<h1>This invitation is no longer valid</h1>"
            "<p>It has been used, or has expired. Ask for a new one.</p></header>"
        )


def _face(picture: str, name: str) -> str:
    """The picture, given as a data URI, of somebody or something; without one, the first letter of a name."""
    if picture:
        return f"<img class='face' alt='' src='{html.escape(picture)}'>"
    return f"<div class='face' aria-hidden='true'>{html.escape(name[:1].upper())}</div>"


def _apps(browser: str) -> str:
    """The apps, those for the browser's system first."""
    if "Android" in browser:  # which calls itself Linux as well
        browser = "Android"
    order = sorted(APPS, key=lambda app: not any(system in browser for system in app.systems))
    items = (
        f"<li><a href='{app.url}' rel='noreferrer'><b>{app.name}</b><span>{app.place}</span></a></li>"
        for app in order
    )
    return f"<ul>{''.join(items)}</ul>"


def _qr(text: str) -> str:
    out = io.BytesIO()
    segno.make(text, error="m").save(out, kind="svg", xmldecl=False, svgns=False, border=0, omitsize=True)
    return out.getvalue().decode()
