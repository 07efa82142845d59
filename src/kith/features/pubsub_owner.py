"""What an owner does with nodes: create, configure, delete, purge (XEP-0060 §8.1 to §8.5)."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement

from kith.features.forms import Form, build_form, find_form
from kith.features.pubsub_config import NodeConfig, changed, fields
from kith.features.pubsub_errors import pubsub_error, unsupported
from kith.features.pubsub_items import remove_excess
from kith.features.pubsub_nodes import Record
from kith.features.pubsub_notify import configuration_event, delete_event, purge_event
from kith.features.pubsub_request import Request, Service
from kith.wire import ns
from kith.wire.errors import StanzaError

_OWNER = ns.tag(ns.PUBSUB_OWNER, "pubsub")
_CONFIGURE = ns.tag(ns.PUBSUB_OWNER, "configure")
_DEFAULT = ns.tag(ns.PUBSUB_OWNER, "default")
_CREATE_CONFIGURE = ns.tag(ns.PUBSUB, "configure")


def with_config(record: Record, config: NodeConfig) -> Record:
    return Record(config, record.created, record.affiliations, record.subscribers)


def _configured(config: NodeConfig, form: Form) -> NodeConfig:
    if form.form_type and form.form_type != ns.PUBSUB_NODE_CONFIG:
        raise StanzaError("bad-request", "not a form with a node's configuration")
    try:
        return changed(config, form)
    except ValueError as error:
        raise StanzaError("not-acceptable", str(error)) from None


async def create(service: Service, request: Request) -> Sequence[Element]:
    """Raises StanzaError."""
    request.must_own()
    if not request.command.get("node"):
        raise pubsub_error("not-acceptable", "nodeid-required")
    name = request.node()
    form = find_form(request.parent.find(_CREATE_CONFIGURE))
    config = _configured(NodeConfig(), form) if form is not None else NodeConfig()
    async with service.nodes.writing(request.account) as nodes:
        if name in nodes.nodes:
            raise StanzaError("conflict", "the node exists")
        await nodes.create(name, config)
    return ()


async def configuration(service: Service, request: Request) -> Sequence[Element]:
    """The form, filled in. Raises StanzaError."""
    request.must_own()
    node = (await service.nodes.load(request.account))[request.node()]
    return _form(_CONFIGURE, {"node": node.name}, node.config)


async def default(service: Service, request: Request) -> Sequence[Element]:
    """The form as it is for a new node. Raises StanzaError."""
    request.must_own()
    return _form(_DEFAULT, {}, NodeConfig())


def _form(tag: str, attrs: dict[str, str], config: NodeConfig) -> Sequence[Element]:
    result = Element(_OWNER)
    SubElement(result, tag, attrs).append(build_form("form", ns.PUBSUB_NODE_CONFIG, fields(config)))
    return (result,)


async def configure(service: Service, request: Request) -> Sequence[Element]:
    """Raises StanzaError."""
    request.must_own()
    name = request.node()
    form = find_form(request.command)
    if form is None or form.type not in ("submit", "cancel"):
        raise StanzaError("bad-request", "a form is needed")
    async with service.nodes.writing(request.account) as nodes:
        node = nodes[name]
        if form.type == "cancel":
            return ()
        config = _configured(node.config, form)
        if config == node.config:
            return ()
        await nodes.save(node, with_config(node.record, config))
        await remove_excess(nodes, node)
    if config.notify_config:
        await service.notifier.publish(request.owner, node, configuration_event(node))
    return ()


async def delete(service: Service, request: Request) -> Sequence[Element]:
    """Raises StanzaError."""
    request.must_own()
    name = request.node()
    async with service.nodes.writing(request.account) as nodes:
        node = nodes[name]
        await nodes.delete(node)
    if node.config.notify_delete:
        await service.notifier.publish(request.owner, node, delete_event(node))
    return ()


async def purge(service: Service, request: Request) -> Sequence[Element]:
    """Raises StanzaError."""
    request.must_own()
    name = request.node()
    async with service.nodes.writing(request.account) as nodes:
        node = nodes[name]
        if not node.config.persist_items:
            raise unsupported("persistent-items")
        await nodes.purge(node)
    if node.config.notify_retract:
        await service.notifier.publish(request.owner, node, purge_event(node))
    return ()
