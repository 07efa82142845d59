"""Stream features, before and after the login (RFC 6120 §4.3)."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

from kith.core.actors.visitor import Visitor
from kith.core.hooks.table import Hooks
from kith.core.login import fast, upgrade
from kith.core.login.sasl import mechanisms
from kith.wire import ns
from kith.wire.serialize import serialize


def _child(parent: Element, namespace: str, name: str, text: str | None = None, **attrs: str) -> Element:
    child = SubElement(parent, ns.tag(namespace, name), attrs)
    child.text = text
    return child


class Offers:
    """Serialized stream features. There are few different ones, so each is serialized once."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks
        self._known: dict[tuple[object, ...], bytes] = {}

    def of(self, stream: Visitor) -> bytes:
        """``<stream:features/>`` for a stream (RFC 6120 §4.3.2)."""
        security = stream.security
        kind: tuple[object, ...]
        if stream.account is not None:
            kind = (stream.session is None, _manageable(stream))
        else:
            tls = stream.starttls and not security.encrypted
            names = mechanisms(security, stream.hashes)
            kind = (
                tls,
                *names,
                None,
                *security.bindings,
                security.classic_plus,
                bool(stream.claimed),
                *stream.hashes,
            )
        found = self._known.get(kind)
        if found is None:
            offer = before_login if stream.account is None else after_login
            features = b"".join(map(serialize, offer(stream, self._hooks)))
            found = b"<stream:features>%b</stream:features>" % features
            self._known[kind] = found
        return found


def before_login(stream: Visitor, hooks: Hooks) -> list[Element]:
    """The features before the login: STARTTLS, mechanisms, registration."""
    names = mechanisms(stream.security, stream.hashes)
    features = []
    if stream.starttls and not stream.security.encrypted:
        starttls = Element(ns.tag(ns.TLS, "starttls"))
        if not names:
            _child(starttls, ns.TLS, "required")
        features.append(starttls)
    if names:
        classic = mechanisms(stream.security, stream.hashes, classic=True)
        features += [_mechanisms(classic), _authentication(stream, names, hooks)]
        if stream.security.bindings:
            features.append(_bindings(stream))
        features += hooks.login_features()
    return features


def after_login(stream: Visitor, hooks: Hooks) -> list[Element]:
    """The features after the login: those that the session does not have yet; binding, if there is no
    session.
    """
    features = [Element(ns.tag(ns.STREAM_MANAGEMENT, "sm"))] if _manageable(stream) else []
    if stream.session is None:
        session = Element(ns.tag(ns.SESSION, "session"))
        _child(session, ns.SESSION, "optional")
        features += [Element(ns.tag(ns.BIND, "bind")), session]
    return features + hooks.stream_features()


def _manageable(stream: Visitor) -> bool:
    """Whether to offer stream management: not if it was already enabled while binding."""
    return stream.session is None or stream.session.sm is None


def _mechanisms(names: list[str]) -> Element:
    """``<mechanisms/>`` for SASL (RFC 6120 §6)."""
    offer = Element(ns.tag(ns.SASL, "mechanisms"))
    for name in names:
        _child(offer, ns.SASL, "mechanism", name)
    return offer


def _authentication(stream: Visitor, names: list[str], hooks: Hooks) -> Element:
    """``<authentication/>`` for SASL2 (XEP-0388 §2.1), with its inline features."""
    offer = Element(ns.tag(ns.SASL2, "authentication"))
    for name in names:
        _child(offer, ns.SASL2, "mechanism", name)
    inline = _child(offer, ns.SASL2, "inline")
    _child(inline, ns.STREAM_MANAGEMENT, "sm")
    extras = _child(_child(inline, ns.BIND2, "bind"), ns.BIND2, "inline")
    for var in (ns.STREAM_MANAGEMENT, *hooks.bind_features):
        _child(extras, ns.BIND2, "feature", var=var)
    tokens = _child(inline, ns.FAST, "fast")
    for name in fast.mechanisms(stream.security):
        _child(tokens, ns.FAST, "mechanism", name)
    if stream.claimed and stream.hashes:
        offer.extend(upgrade.offers(stream.hashes))
    return offer


def _bindings(stream: Visitor) -> Element:
    """The types of channel binding (XEP-0440), which both profiles of SASL use."""
    bindings = Element(ns.tag(ns.SASL_CHANNEL_BINDING, "sasl-channel-binding"))
    for kind in stream.security.bindings:
        _child(bindings, ns.SASL_CHANNEL_BINDING, "channel-binding", type=kind)
    return bindings
