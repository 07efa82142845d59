"""Creates, configures, deletes and purges nodes for their owners (XEP-0060 §8.1 to §8.5)."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement

import msgspec

from kith.features.forms import Form, build_form, find_form
from kith.features.pubsub.config import ACCESS_MODEL, NodeConfig, changed, fields
from kith.features.pubsub.errors import pubsub_error, unsupported
from kith.features.pubsub.items import remove_excess
from kith.features.pubsub.members import still_allowed
from kith.features.pubsub.nodes import Record
from kith.features.pubsub.notify import configuration_event, delete_event, purge_event
from kith.features.pubsub.request import Request, Service
from kith.wire import ns
from kith.wire.errors import StanzaError

_OWNER = ns.tag(ns.PUBSUB_OWNER, "pubsub")
_CONFIGURE = ns.tag(ns.PUBSUB_OWNER, "configure")
_DEFAULT = ns.tag(ns.PUBSUB_OWNER, "default")
_CREATE_CONFIGURE = ns.tag(ns.PUBSUB, "configure")


def with_config(record: Record, config: NodeConfig) -> Record:
    return msgspec.structs.replace(record, config=config)


def _configured(service: Service, config: NodeConfig, form: Form) -> NodeConfig:
    if form.form_type and form.form_type != ns.PUBSUB_NODE_CONFIG:
        raise StanzaError("bad-request", "not a form with a node's configuration")
    try:
        wanted = changed(config, form)
    except ValueError as error:
        raise StanzaError("not-acceptable", str(error)) from None
    if wanted.access_model not in service.access_models:
        raise pubsub_error("not-acceptable", "unsupported-access-model")
    return wanted


async def create(service: Service, request: Request) -> Sequence[Element]:
    """Creates a node. Raises StanzaError."""
    service.must_create(request)
    instant = not request.command.get("node")
    name = service.instant_name() if instant else request.node()
    form = find_form(request.parent.find(_CREATE_CONFIGURE))
    config = _configured(service, service.defaults, form) if form is not None else service.defaults
    await service.create(request, name, config)
    if not instant:
        return ()
    result = Element(ns.tag(ns.PUBSUB, "pubsub"))
    SubElement(result, ns.tag(ns.PUBSUB, "create"), {"node": name})
    return (result,)


async def configuration(service: Service, request: Request) -> Sequence[Element]:
    """Answers with the configuration form of a node. Raises StanzaError."""
    node = request.owned(await service.nodes.load(request.account))
    return _form(service, _CONFIGURE, {"node": node.name}, node.config)


async def default(service: Service, request: Request) -> Sequence[Element]:
    """Answers with the configuration form for new nodes. Raises StanzaError."""
    service.must_create(request)
    return _form(service, _DEFAULT, {}, service.defaults)


def _form(service: Service, tag: str, attrs: dict[str, str], config: NodeConfig) -> Sequence[Element]:
    result = Element(_OWNER)
    offered = [
        field._replace(options=service.access_models) if field.var == ACCESS_MODEL else field
        for field in fields(config)
    ]
    SubElement(result, tag, attrs).append(build_form("form", ns.PUBSUB_NODE_CONFIG, offered))
    return (result,)


async def configure(service: Service, request: Request) -> Sequence[Element]:
    """Applies a configuration form. Raises StanzaError."""
    form = find_form(request.command)
    async with service.nodes.writing(request.account) as nodes:
        node = request.owned(nodes)
        if form is None or form.type not in ("submit", "cancel"):
            raise StanzaError("bad-request", "a form is needed")
        if form.type == "cancel":
            return ()
        config = _configured(service, node.config, form)
        if config == node.config:
            return ()
        record = with_config(node.record, config)
        await nodes.save(node, await still_allowed(service, request.owner, node, record))
        await remove_excess(nodes, node)
    if config.notify_config:
        await service.notifier.publish(request.owner, node, configuration_event(node))
    return ()


async def delete(service: Service, request: Request) -> Sequence[Element]:
    """Deletes a node. Raises StanzaError."""
    async with service.nodes.writing(request.account) as nodes:
        node = request.owned(nodes)
        await nodes.delete(node)
        await service.deleted(node.name)
    if node.config.notify_delete:
        await service.notifier.publish(request.owner, node, delete_event(node))
    await service.changed(request, node.name)
    return ()


async def purge(service: Service, request: Request) -> Sequence[Element]:
    """Removes all items of a node. Raises StanzaError."""
    async with service.nodes.writing(request.account) as nodes:
        node = request.owned(nodes)
        if not node.config.persist_items:
            raise unsupported("persistent-items")
        await nodes.purge(node)
    if node.config.notify_retract:
        await service.notifier.publish(request.owner, node, purge_event(node))
    await service.changed(request, node.name)
    return ()
