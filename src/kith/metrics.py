"""Metrics for Prometheus over HTTP. They are collected only when Prometheus asks.

docs/monitoring.md lists them. No label has values that a peer could make up.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections.abc import Iterable, Iterator

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from kith import __version__
from kith.accounts.budget import Budget
from kith.base.figures import Figures as NodeFigures
from kith.base.histogram import SECONDS, Histogram
from kith.core.sessions.resumption import Resumption
from kith.edge.application import HTTPApplication
from kith.edge.edge import Edge
from kith.federation.federation import Federation
from kith.ports.store import Holdings, Store
from kith.push.pushing import Pushing
from kith.store.errors import StoreError

#: The maximum age of metrics for which the store has to count rows, in seconds.
HOLDINGS_AGE = 60.0
#: How often the loop's delay is measured, in seconds.
LAG_INTERVAL = 0.25


_Labelled = CounterMetricFamily | GaugeMetricFamily


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(name, about, value)


def _counter(name: str, about: str, value: float) -> Metric:
    return CounterMetricFamily(name, about, value)


def _labelled(family: _Labelled, values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    for labels, value in values:
        family.add_metric(labels, value)
    return family


def _histogram(name: str, about: str, seen: Histogram) -> Metric:
    upto = list(itertools.accumulate(list(seen.counts)))
    names = [*(f"{bound:g}" for bound in seen.bounds), "+Inf"]
    return HistogramMetricFamily(name, about, list(zip(names, upto, strict=True)), seen.sum)


class Figures(Collector):
    """The metrics of a server. ``lag``: how late the event loop's timers are, in seconds."""

    def __init__(
        self,
        edge: Edge,
        federation: Federation | None,
        figures: NodeFigures,
        store: Store,
        resumption: Resumption,
        budget: Budget,
        pushing: Pushing,
    ) -> None:
        self._pushing = pushing
        self._edge = edge
        self._federation = federation
        self._figures = figures
        self._kept = store
        self._resumption = resumption
        self._budget = budget
        self.lag = Histogram(SECONDS)
        self.holdings: Holdings | None = None

    def describe(self) -> list[Metric]:
        return []  # otherwise, registering would collect them

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("kith_build", "The program.", {"version": __version__})
        yield from self._connections()
        yield from self._text_messages()
        yield from self._messages()
        yield from self._store()
        yield from self._errors()
        yield from self._others()
        yield _histogram("kith_loop_lag_seconds", "How late a timer of the event loop comes.", self.lag)

    def _connections(self) -> Iterator[Metric]:
        edge = self._edge
        yield _labelled(
            GaugeMetricFamily("kith_connections", "Connections that are open.", labels=["transport"]),
            (((name,), count) for name, count in edge.open.items()),
        )
        yield _labelled(
            CounterMetricFamily("kith_accepted_connections", "Connections so far.", labels=["transport"]),
            (((name,), count) for name, count in edge.accepted.items()),
        )
        yield _gauge(
            "kith_certificate_expiry_timestamp_seconds",
            "When the certificate expires, in seconds since 1970.",
            edge.certificates.expires,
        )
        yield _gauge("kith_sessions", "Bound resources, connected or not.", self._figures.sessions)
        yield _gauge(
            "kith_sessions_waiting",
            "Sessions that have lost their connection and may resume.",
            self._resumption.waiting,
        )
        yield _labelled(
            CounterMetricFamily("kith_logins", "Attempts to log in.", labels=["mechanism", "result"]),
            self._figures.logins.items(),
        )

    def _text_messages(self) -> Iterator[Metric]:
        figures = self._figures
        yield _labelled(
            CounterMetricFamily("kith_text_messages", "Codes that were asked for.", labels=["result"]),
            (((result,), figures.sms[result]) for result in ("sent", "failed", "limited")),
        )
        yield _labelled(
            CounterMetricFamily(
                "kith_text_messages_by_country", "The same by country.", labels=["country", "result"]
            ),
            figures.sms_countries.items(),
        )
        yield _labelled(
            CounterMetricFamily(
                "kith_text_messages_by_gateway", "What gateways were asked.", labels=["gateway", "result"]
            ),
            figures.sms_gateways.items(),
        )
        yield _labelled(
            GaugeMetricFamily(
                "kith_text_message_limit_used_ratio",
                "The used share of a limit: of the hour, of a country's day, of the month's budget.",
                labels=["limit"],
            ),
            (((use.name,), use.used / use.limit if use.limit else 0.0) for use in self._budget.uses()),
        )

    def _messages(self) -> Iterator[Metric]:
        figures = self._figures
        kinds = (
            (("message",), figures.messages),
            (("presence",), figures.presences),
            (("iq",), figures.iqs),
        )
        yield _labelled(
            CounterMetricFamily("kith_stanzas_received", "Stanzas of clients.", labels=["kind"]), kinds
        )
        yield _counter(
            "kith_foreign_stanzas_received", "Stanzas of other servers and components.", figures.foreign
        )
        yield _labelled(
            CounterMetricFamily("kith_messages_delivered", "Copies handed to sessions.", labels=["source"]),
            ((("live",), figures.delivered), (("log",), figures.replayed)),
        )

        yield _labelled(
            CounterMetricFamily("kith_pushes", "What became of pushes.", labels=["carrier", "result"]),
            figures.pushes.items(),
        )
        yield _gauge("kith_push_registrations", "Devices that want to be woken.", self._pushing.count)

    def _store(self) -> Iterator[Metric]:
        store = self._kept
        commits = store.commits
        yield _counter("kith_messages_stored", "Messages committed to the log.", commits.stored)
        yield _histogram("kith_commit_seconds", "How long a commit took, sync included.", commits.seconds)
        yield _histogram("kith_commit_operations", "How many operations shared a commit.", commits.sizes)
        yield _counter("kith_commit_failures", "Transactions that were rolled back.", commits.failed)
        yield _gauge("kith_commit_queue", "Operations that wait for their commit.", store.waiting)
        holdings = self.holdings
        if holdings is None:
            return
        yield _gauge("kith_accounts", "Accounts.", holdings.accounts)
        yield _gauge(
            "kith_undelivered_messages", "Messages that no device has got yet.", holdings.undelivered
        )
        yield _labelled(
            GaugeMetricFamily("kith_store_bytes", "The size of the database's files.", labels=["file"]),
            ((("database",), holdings.database_bytes), (("journal",), holdings.journal_bytes)),
        )

    def _errors(self) -> Iterator[Metric]:
        for name, about, counts in (
            ("kith_stanza_errors", "Stanzas answered with an error.", self._figures.stanza_errors),
            ("kith_stream_errors", "Streams ended with an error.", self._figures.stream_errors),
        ):
            yield _labelled(
                CounterMetricFamily(name, about, labels=["condition"]),
                (((condition,), count) for condition, count in counts.items()),
            )

    def _others(self) -> Iterator[Metric]:
        """The metrics of federation, if it is on."""
        if self._federation is None:
            return
        outgoing = self._federation.outgoing
        yield _labelled(
            GaugeMetricFamily("kith_federation_streams", "Streams with servers.", labels=["direction"]),
            ((("out",), outgoing.streams), (("in",), self._edge.open["server"])),
        )
        yield _gauge("kith_federation_queue", "Stanzas that wait for other servers.", outgoing.waiting)
        yield _counter("kith_federation_failures", "Times that a server was not reached.", outgoing.failures)


class Metrics(HTTPApplication):
    """Serves ``/metrics``. `start` has to be awaited before `handler` is called."""

    def __init__(
        self,
        edge: Edge,
        federation: Federation | None,
        figures: NodeFigures,
        store: Store,
        resumption: Resumption,
        budget: Budget,
        pushing: Pushing,
    ) -> None:
        self._store = store
        self._budget = budget
        self._figures = Figures(edge, federation, figures, store, resumption, budget, pushing)
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self._figures)
        ProcessCollector(registry=self._registry)
        self._counted = -HOLDINGS_AGE
        app = web.Application()
        app.router.add_get("/metrics", self._answer)
        super().__init__(web.AppRunner(app, access_log=None))

    async def watch(self) -> None:
        """Measures the delay of the event loop, until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LAG_INTERVAL
            await asyncio.sleep(LAG_INTERVAL)
            self._figures.lag.observe(max(0.0, loop.time() - due))

    async def _answer(self, request: web.Request) -> web.Response:
        await self._count()
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})

    async def _count(self) -> None:
        """Counts rows again if the numbers are too old. If the store can't be read, they stay as they are."""
        now = asyncio.get_running_loop().time()
        if now - self._counted < HOLDINGS_AGE:
            return
        self._counted = now
        try:
            await self._budget.load()
            self._figures.holdings = await self._store.holdings()
        except (sqlite3.Error, StoreError, OSError):
            self._figures.holdings = None
