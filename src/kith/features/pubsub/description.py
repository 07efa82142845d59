"""Service discovery of a node (XEP-0060 §5.3 and §5.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from kith.base.ids import stamp
from kith.features.disco import Identity, feature, identity
from kith.features.forms import build_form
from kith.features.pubsub.config import metadata
from kith.features.pubsub.nodes import Node
from kith.wire import ns

_META_DATA = f"{ns.PUBSUB}#meta-data"


def node_description(node: Node, automatic: Mapping[str, str]) -> Sequence[Element]:
    """The children of a disco#info result. ``automatic``: metadata fields about the owner."""
    record = node.record
    about = {
        **automatic,
        "creation_date": stamp(datetime.fromtimestamp(record.created, UTC)),
        "num_subscribers": str(len(record.subscribers)),
    }
    return (
        identity(Identity("pubsub", "leaf", record.config.title)),
        feature(ns.PUBSUB),
        build_form("result", _META_DATA, metadata(record.config, about)),
    )
