"""Stream errors and stanza errors (RFC 6120 §4.9 and §8.3)."""

from xml.etree.ElementTree import Element, SubElement

from kith.wire import ns
from kith.wire.serialize import escape_attribute, serialize

#: The error type that RFC 6120 §8.3.3 recommends for each condition of a stanza error.
ERROR_TYPES = {
    "bad-request": "modify",
    "conflict": "cancel",
    "feature-not-implemented": "cancel",
    "forbidden": "auth",
    "gone": "cancel",
    "internal-server-error": "cancel",
    "item-not-found": "cancel",
    "jid-malformed": "modify",
    "not-acceptable": "modify",
    "not-allowed": "cancel",
    "not-authorized": "auth",
    "policy-violation": "modify",
    "recipient-unavailable": "wait",
    "redirect": "modify",
    "registration-required": "auth",
    "remote-server-not-found": "cancel",
    "remote-server-timeout": "wait",
    "resource-constraint": "wait",
    "service-unavailable": "cancel",
    "subscription-required": "auth",
    "undefined-condition": "cancel",
    "unexpected-request": "wait",
}

#: The legacy codes of conditions (XEP-0086). Profanity still looks for 404.
LEGACY_CODES = {
    "bad-request": "400",
    "conflict": "409",
    "feature-not-implemented": "501",
    "forbidden": "403",
    "gone": "302",
    "internal-server-error": "500",
    "item-not-found": "404",
    "jid-malformed": "400",
    "not-acceptable": "406",
    "not-allowed": "405",
    "not-authorized": "401",
    "recipient-unavailable": "404",
    "redirect": "302",
    "registration-required": "407",
    "remote-server-not-found": "404",
    "remote-server-timeout": "504",
    "resource-constraint": "500",
    "service-unavailable": "503",
    "subscription-required": "407",
    "undefined-condition": "500",
    "unexpected-request": "400",
}


class XMPPError(Exception):
    """The base class of errors that are sent to the peer."""


class StreamError(XMPPError):
    """An error that ends the stream.

    ``condition`` is one of RFC 6120 §4.9.3. ``text`` is for people. ``application``: an application-specific
    child element (§4.9.4).
    """

    def __init__(self, condition: str, text: str = "", *, application: Element | None = None) -> None:
        super().__init__(f"{condition}: {text}" if text else condition)
        self.condition = condition
        self.text = text
        self.application = application


class StanzaError(XMPPError):
    """An error that answers one stanza.

    ``condition`` is one of RFC 6120 §8.3.3. ``application``: an application-specific child element.
    ``address``: the URI for the conditions ``gone`` and ``redirect``.
    """

    def __init__(
        self,
        condition: str,
        text: str = "",
        *,
        type: str | None = None,
        application: Element | None = None,
        address: str = "",
    ) -> None:
        super().__init__(f"{condition}: {text}" if text else condition)
        self.condition = condition
        self.text = text
        self.type = type or ERROR_TYPES[condition]
        self.application = application
        self.address = address

    def element(self) -> Element:
        """The ``<error/>`` child (RFC 6120 §8.3.2)."""
        error = Element(ns.tag(ns.CLIENT, "error"), {"type": self.type})
        if self.condition in LEGACY_CODES:
            error.set("code", LEGACY_CODES[self.condition])
        SubElement(error, ns.tag(ns.STANZA_ERRORS, self.condition)).text = self.address or None
        if self.text:
            SubElement(error, ns.tag(ns.STANZA_ERRORS, "text")).text = self.text
        if self.application is not None:
            error.append(self.application)
        return error


def stream_error(error: StreamError) -> bytes:
    """``<stream:error/>`` (RFC 6120 §4.9), for a context that binds the prefix."""
    text = ""
    if error.text:
        text = f"<text xmlns='{ns.STREAM_ERRORS}' xml:lang='en'>{escape_attribute(error.text)}</text>"
    more = serialize(error.application).decode() if error.application is not None else ""
    return (
        f"<stream:error><{error.condition} xmlns='{ns.STREAM_ERRORS}'/>{text}{more}</stream:error>".encode()
    )
