"""Writes and reads chat messages with aioxmpp: jid, password, host:port, a file with the root certificate,
peer.

Run by Debian's Python, which has the library. Each line of standard input is sent to the peer. It says
"online JID" after each login ("resumed JID" if the session was resumed), and "message TEXT" for each message.
It ends with standard input.
"""

import asyncio
import sys
import warnings

warnings.simplefilter("ignore")

import aioxmpp  # noqa: E402
import aioxmpp.connector  # noqa: E402
import OpenSSL.SSL  # noqa: E402


async def main(address: str, password: str, server: str, root: str, peer: str) -> None:
    def context() -> OpenSSL.SSL.Context:
        made = OpenSSL.SSL.Context(OpenSSL.SSL.TLS_CLIENT_METHOD)
        made.load_verify_locations(root)
        return made

    host, _, port = server.rpartition(":")
    jid = aioxmpp.JID.fromstr(address)
    security = aioxmpp.make_security_layer(password)._replace(ssl_context_factory=context)
    client = aioxmpp.PresenceManagedClient(
        jid, security, override_peer=[(host, int(port), aioxmpp.connector.STARTTLSConnector())]
    )
    client.backoff_start = client.backoff_cap = aioxmpp.node.timedelta(seconds=0.3)
    client.on_stream_established.connect(lambda: print("online", client.local_jid, flush=True))
    client.on_stream_resumed.connect(lambda: print("resumed", client.local_jid, flush=True))

    def show(message: aioxmpp.Message) -> None:
        if message.body:
            print("message", message.body.any(), flush=True)

    dispatcher = client.summon(aioxmpp.dispatcher.SimpleMessageDispatcher)
    dispatcher.register_callback(None, None, show)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with client.connected():
        async for line in lines:
            message = aioxmpp.Message(to=aioxmpp.JID.fromstr(peer), type_=aioxmpp.MessageType.CHAT)
            message.body[None] = line.decode().rstrip("\n")
            client.enqueue(message)


asyncio.run(main(*sys.argv[1:]))
