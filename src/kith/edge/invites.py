"""The page that an invitation's link leads to: no script, nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import html
import io
from importlib.resources import files
from urllib.parse import quote

import segno
from aiohttp import web

from kith.config import Config
from kith.core.domain import Domain
from kith.core.invites import Invite, Invites

_APPS = (
    ("Android", "Conversations", "https://conversations.im"),
    ("iPhone, iPad and Mac", "Monal", "https://monal-im.org"),
    ("Linux and Windows", "Gajim", "https://gajim.org"),
    ("Linux", "Dino", "https://dino.im"),
)
_STYLE = files("kith.edge").joinpath("invite.css").read_text()
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = {
    "default-src": "'none'",
    "style-src": f"'sha256-{_HASH}'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
_HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in _POLICY.items()),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def uri(domain: str, token: str, contact: str = "", name: str = "") -> str:
    """For clients: ``xmpp:`` as XEP-0445 §2 has it."""
    if contact:
        return f"xmpp:{quote(contact, safe='@')}?roster;preauth={token};ibr=y"
    account = f"{quote(name)}@{domain}" if name else domain
    return f"xmpp:{account}?register;preauth={token}"


def page_url(config: Config, token: str) -> str:
    """For people."""
    base = config.public_url.rstrip("/")
    if not base:
        port = "" if config.https_port == 443 else f":{config.https_port}"
        secure = bool(config.https_port)
        base = f"https://{config.domain}{port}" if secure else f"http://{config.domain}:{config.http_port}"
    return f"{base}/invite/{token}"


class InvitePages:
    """Answers ``/invite/TOKEN``; one that is not good, whatever the reason, gets the same page."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._invites = Invites(domain.store)

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/invite/{token}", self._page)

    async def _page(self, request: web.Request) -> web.Response:
        token = request.match_info["token"]
        invite = await self._invites.find(token) if len(token) <= 64 else None
        open = self._domain.config.invites
        body = self._good(token, invite) if invite is not None and open else self._bad()
        text = (
            "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
            "<meta name='viewport' content='width=device-width,initial-scale=1'>"
            f"<meta name='robots' content='noindex'><title>{html.escape(self._domain.name)}</title>"
            f"<style>{_STYLE}</style></head><body><main>{body}</main></body></html>"
        )
        status = 200 if invite is not None and open else 404
        return web.Response(text=text, content_type="text/html", headers=_HEADERS, status=status)

    def _good(self, token: str, invite: Invite) -> str:
        domain = html.escape(self._domain.name)
        link = html.escape(uri(self._domain.name, token, invite.contact, invite.name))
        who = html.escape(invite.contact)
        title = f"{who} invites you to chat" if who else f"You are invited to {domain}"
        apps = "".join(
            f"<li><span>{place}</span><a href='{url}' rel='noreferrer'>{app}</a></li>"
            for place, app, url in _APPS
        )
        return (
            f"<h1>{title}</h1><p>Messages here are encrypted from your device to theirs. "
            f"The invitation is good for one account on {domain}.</p>"
            f"<a class='go' href='{link}'>Open in your app</a>"
            f"<div class='qr' role='img' aria-label='The same as a QR code'>{_qr(html.unescape(link))}</div>"
            f"<h2>No app yet? Get one, then come back</h2><ul>{apps}</ul>"
        )

    def _bad(self) -> str:
        return (
            "<h1>This invitation is not good any more</h1>"
            "<p>It was used, or its time is over. Ask for a new one.</p>"
        )


def _qr(text: str) -> str:
    out = io.BytesIO()
    segno.make(text, error="m").save(out, kind="svg", xmldecl=False, svgns=False, border=0, omitsize=True)
    return out.getvalue().decode()
