"""Opens streams to other servers, and authenticates this one on them (XEP-0178, XEP-0220)."""

from __future__ import annotations

from base64 import b64encode

from kith.federation import dialback
from kith.federation.connection import Connection, Connector
from kith.federation.failures import Denied, Refused, Unreachable, describe
from kith.wire import ns

_SUCCESS, _FAILURE = ns.tag(ns.SASL, "success"), ns.tag(ns.SASL, "failure")
_MECHANISMS, _MECHANISM = ns.tag(ns.SASL, "mechanisms"), ns.tag(ns.SASL, "mechanism")
#: Errors of dialback that the next attempt would also meet (XEP-0220 §2.4).
_DENIED = frozenset(("forbidden", "item-not-found", "not-authorized", "policy-violation"))
_BIDI_FEATURE = ns.tag(ns.BIDI_FEATURE, "bidi")
_MANAGEMENT = ns.tag(ns.STREAM_MANAGEMENT, "sm")
_ENABLED, _NOT_ENABLED = ns.tag(ns.STREAM_MANAGEMENT, "enabled"), ns.tag(ns.STREAM_MANAGEMENT, "failed")


class Opening:
    """Opens streams that can carry stanzas. ``keys``: makes the dialback keys of this server."""

    def __init__(self, connector: Connector, keys: dialback.Keys) -> None:
        self._connector = connector
        self.keys = keys

    async def open(self, local: str, remote: str, both_ways: bool = False) -> tuple[Connection, bool]:
        """Opens a stream from one domain to another.

        ``both_ways``: the other server may send over it too, if it can (XEP-0288). Returns it, and whether it
        acknowledges stanzas (XEP-0198). Raises Failure, OSError.
        """
        connection = await self._connector.connect(local, remote)
        try:
            if both_ways and _BIDI_FEATURE in connection.features.children:
                connection.write(f"<bidi xmlns='{ns.BIDI}'/>".encode())
            await self._authenticate(connection, local, remote)
            managed = _MANAGEMENT in connection.features.children
            if managed:
                connection.write(f"<enable xmlns='{ns.STREAM_MANAGEMENT}'/>".encode())
                managed = (await connection.expect(_ENABLED, _NOT_ENABLED)).tag == _ENABLED
        except BaseException:
            connection.close()
            raise
        return connection, managed

    async def _authenticate(self, connection: Connection, local: str, remote: str) -> None:
        """Authenticates with SASL EXTERNAL if the other server offers it, else by dialback.

        Raises Refused.
        """
        mechanisms = connection.features.child(_MECHANISMS)
        offered = {m.text for m in mechanisms.findall(_MECHANISM)} if mechanisms is not None else set()
        if "EXTERNAL" in offered:
            identity = b64encode(local.encode()).decode()
            connection.write(f"<auth xmlns='{ns.SASL}' mechanism='EXTERNAL'>{identity}</auth>".encode())
            answer = await connection.expect(_SUCCESS, _FAILURE)
            if answer.tag == _SUCCESS:
                await connection.open(local, remote)
                return
        key = self.keys.make(remote, local, connection.id)
        connection.write(dialback.element("result", {"from": local, "to": remote}, key))
        answer = await connection.expect(dialback.RESULT)
        if answer.type != "valid":
            error = answer.element.find(f".//{{{ns.STANZA_ERRORS}}}*")
            condition = error.tag.rpartition("}")[2] if error is not None else answer.type
            kind = Denied if condition in _DENIED else Refused
            raise kind(f"it does not accept this server: {condition or 'no answer'}", "host-unknown")

    async def verify(self, local: str, remote: str, stream: str, key: str) -> bool:
        """Asks the server of ``remote`` whether it has issued a dialback key (XEP-0220 §2.1.2).

        Raises Failure.
        """
        connection = await self._connector.connect(local, remote)
        try:
            attrs = {"from": local, "to": remote, "id": stream}
            connection.write(dialback.element("verify", attrs, key))
            answer = await connection.expect(dialback.VERIFY)
        except OSError as error:
            raise Unreachable(describe(error)) from None
        finally:
            connection.close()
        same = (answer.attrs.get("from"), answer.attrs.get("to"), answer.id) == (remote, local, stream)
        return same and answer.type == "valid"
