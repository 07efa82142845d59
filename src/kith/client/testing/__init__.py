"""For the tests of programs that use `kith.client`: a server in the same process, and people to talk to.

    async with FakeServer() as server:
        async with server.running(bot):
            ada = await server.person("ada", "bot@localhost")
            await ada.send("/add 1 2")
            assert (await ada.receives()).body == "3"

The clients are real, with encryption and a history; only the server is not: it keeps everything in memory,
checks little, and knows no other servers. It needs the extra ``kith[testing]``.
"""

from kith.client.testing.people import Person
from kith.client.testing.server import FakeServer

__all__ = ["FakeServer", "Person"]
