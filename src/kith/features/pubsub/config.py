"""The configuration of a node (XEP-0060 §16.4.4): settings, defaults for PEP, and the form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from kith.features.forms import FORM_TYPE, Field, Form, from_boolean, to_boolean
from kith.wire.digits import natural

#: The number of items that ``max`` means, which is the limit of a node.
MAX_ITEMS = 1000
#: Maximum size of a payload, in bytes. It fits a stanza of 256 KiB, the default limit of other servers, and
#: an avatar of 90 KiB in base64.
MAX_PAYLOAD = 256 * 1024
_MAX_TEXT = 1023
_MAX_GROUPS = 64
#: Ten thousand years, in seconds.
_LONGEST_EXPIRY = 10**11 * 3
_PREFIX = "pubsub#"
ACCESS_MODEL = "pubsub#access_model"


class NodeConfig(msgspec.Struct, frozen=True, omit_defaults=True):
    """The settings of a node. Their names are those of the form fields without ``pubsub#``."""

    title: str = ""
    description: str = ""
    type: str = ""
    access_model: str = "presence"
    publish_model: str = "publishers"
    roster_groups_allowed: list[str] = msgspec.field(default_factory=list)
    max_items: int = 1
    #: Seconds; 0: items do not expire.
    item_expire: int = 0
    persist_items: bool = True
    send_last_published_item: str = "on_sub_and_presence"
    deliver_notifications: bool = True
    deliver_payloads: bool = True
    notify_config: bool = False
    notify_delete: bool = True
    notify_retract: bool = True
    notification_type: str = "headline"


class _Setting(NamedTuple):
    """A setting as a form field. ``options``: the possible values, if it has a list of them."""

    name: str
    label: str
    kind: str = "text-single"
    options: Sequence[str] = ()


_SETTINGS = (
    _Setting("title", "A name for the node"),
    _Setting("description", "What the node is about"),
    _Setting("type", "The namespace of the payloads"),
    _Setting(
        "access_model",
        "Who may subscribe and read",
        "list-single",
        ("presence", "open", "roster", "whitelist", "authorize"),
    ),
    _Setting("publish_model", "Who may publish", "list-single", ("publishers", "subscribers", "open")),
    _Setting("roster_groups_allowed", "Groups of the roster that may read", "text-multi"),
    _Setting("max_items", f"How many items are kept (max: {MAX_ITEMS})"),
    _Setting("item_expire", "Seconds after which items go, or max"),
    _Setting("persist_items", "Keep items", "boolean"),
    _Setting(
        "send_last_published_item",
        "When the last item is sent",
        "list-single",
        ("never", "on_sub", "on_sub_and_presence"),
    ),
    _Setting("deliver_notifications", "Send notifications", "boolean"),
    _Setting("deliver_payloads", "Send payloads with notifications", "boolean"),
    _Setting("notify_config", "Notify when the configuration changes", "boolean"),
    _Setting("notify_delete", "Notify when the node is deleted", "boolean"),
    _Setting("notify_retract", "Notify when items are removed", "boolean"),
    _Setting("notification_type", "The type of notifications", "list-single", ("headline", "normal")),
)
_BY_NAME = {_PREFIX + setting.name: setting for setting in _SETTINGS}
#: Settings that are accepted with a single value only.
_FIXED = {
    "pubsub#node_type": ("leaf",),
    "pubsub#subscribe": ("1", "true"),
    "pubsub#purge_offline": ("0", "false"),
    "pubsub#presence_based_delivery": ("0", "false"),
    "pubsub#tempsub": ("0", "false"),
    "pubsub#notify_sub": ("0", "false"),
    "pubsub#publish_node_full": ("discard_oldest", "discard"),
    "pubsub#max_payload_size": (str(MAX_PAYLOAD),),
}


def changed(config: NodeConfig, form: Form, strict: bool = False) -> NodeConfig:
    """Applies a form to a configuration. Settings without a field keep their value.

    Raises ValueError for an invalid value; with ``strict`` also for an unknown field.
    """
    changes: dict[str, Any] = {}
    for var, values in form.values.items():
        setting = _BY_NAME.get(var)
        if setting is not None:
            changes[setting.name] = _value(setting, values)
        elif var in _FIXED:
            if not set(values) <= set(_FIXED[var]):
                raise ValueError(f"{var} can't be changed")
        elif strict and var != FORM_TYPE:
            raise ValueError(f"{var} is unknown")
    return msgspec.structs.replace(config, **changes) if changes else config


def _value(setting: _Setting, values: Sequence[str]) -> object:
    if setting.kind == "text-multi":
        groups = list(dict.fromkeys(value for value in values if value))
        if len(groups) > _MAX_GROUPS or any(len(group) > _MAX_TEXT for group in groups):
            raise ValueError(f"{setting.name} is too long")
        return groups
    if len(values) > 1:
        raise ValueError(f"{setting.name} has one value")
    value = values[0] if values else ""
    if setting.kind == "boolean":
        return to_boolean(value)
    if setting.name == "max_items":
        return _max_items(value)
    if setting.name == "item_expire":
        return _item_expire(value)
    if setting.options and value not in setting.options:
        raise ValueError(f"{setting.name} can't be {value}")
    if len(value) > _MAX_TEXT:
        raise ValueError(f"{setting.name} is too long")
    return value


def _max_items(value: str) -> int:
    """Parses ``max_items``. Values above the limit are reduced to it."""
    if value == "max":
        return MAX_ITEMS
    number = natural(value)
    if number < 1:
        raise ValueError("max_items is a number from 1 on, or max")
    return min(number, MAX_ITEMS)


def _item_expire(value: str) -> int:
    """Parses ``item_expire``: seconds, or ``max`` (XEP-0060 §16.4.4)."""
    if value == "max":
        return 0
    number = natural(value)
    if number < 1:
        raise ValueError("item_expire is a number of seconds, or max")
    return min(number, _LONGEST_EXPIRY)


def fields(config: NodeConfig, fixed: bool = True) -> list[Field]:
    """The fields of the form, with the values of the configuration."""
    result = [
        Field(_PREFIX + setting.name, _texts(setting.name, getattr(config, setting.name)), *_shape(setting))
        for setting in _SETTINGS
    ]
    if fixed:
        result.extend(
            Field(var, values[:1], "boolean" if values[0] in "01" else "text-single")
            for var, values in _FIXED.items()
        )
    return result


def _shape(setting: _Setting) -> tuple[str, str, Sequence[str]]:
    return setting.kind, setting.label, setting.options


def _texts(name: str, value: object) -> Sequence[str]:
    if name == "item_expire" and not value:
        return ("max",)
    if isinstance(value, bool):
        return (from_boolean(value),)
    if isinstance(value, list):
        return value
    return (str(value),)


def metadata(config: NodeConfig, automatic: Mapping[str, str]) -> list[Field]:
    """The metadata of a node for disco#info (XEP-0060 §5.4). ``automatic``: further fields."""
    told = ("title", "description", "type", "access_model", "publish_model", "max_items")
    result = [
        Field(_PREFIX + name, _texts(name, getattr(config, name))) for name in told if getattr(config, name)
    ]
    result.extend(Field(_PREFIX + name, (value,)) for name, value in automatic.items())
    return result
