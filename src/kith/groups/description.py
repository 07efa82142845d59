"""What service discovery says about groups and their service (XEP-0045 §6)."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from kith.features.disco import Identity, feature, identity
from kith.features.forms import Field, build_form
from kith.groups.group import Group
from kith.groups.names import GROUPS, MUC, OCCUPANT_ID, ROOM_INFO
from kith.groups.versions import AFFILIATIONS
from kith.wire import ns

#: What the service supports.
SERVICE = (
    *(MUC, f"{MUC}#stable_id", f"{MUC}#unique", GROUPS, OCCUPANT_ID),
    *(ns.DISCO_INFO, ns.DISCO_ITEMS, ns.RSM, ns.REGISTER, ns.VCARD),
)
#: What every group supports.
_GROUP = (
    MUC,
    GROUPS,
    f"{MUC}#stable_id",
    f"{MUC}#self-ping-optimization",
    ns.DISCO_INFO,
    ns.DISCO_ITEMS,
    ns.MAM,
    ns.MAM_EXTENDED,
    ns.STANZA_ID,
    ns.RETRACT,
    "urn:xmpp:message-moderate:0",
    "urn:xmpp:message-moderate:1",
    AFFILIATIONS,
    ns.REGISTER,
    ns.VCARD,
    OCCUPANT_ID,
)


def features_of(group: Group) -> list[str]:
    """The features of a group, of which some say how it is configured (XEP-0045 §15.3)."""
    config = group.config
    found = [
        "muc_membersonly" if config.members_only else "muc_open",
        "muc_public" if config.public else "muc_hidden",
        "muc_persistent" if config.persistent else "muc_temporary",
        "muc_moderated" if config.moderated or config.announce else "muc_unmoderated",
        "muc_semianonymous" if config.anonymous else "muc_nonanonymous",
        "muc_passwordprotected" if config.password else "muc_unsecured",
    ]
    return [*_GROUP, *found]


def describe(group: Group, known: bool) -> Sequence[Element]:
    """The disco#info of a group: identity, features, and a form (XEP-0045 §6.4).

    ``known``: for somebody who may enter, and so learns what it is talking about.
    """
    config = group.config
    name = config.name or group.address.local
    fields = [
        Field("muc#roominfo_description", (config.description,), "text-single", "Description"),
        Field("muc#roominfo_occupants", (str(len(group.occupants)),), "text-single", "Number of occupants"),
        Field("muc#roominfo_subject", (group.state.subject if known else "",), "text-single", "Subject"),
        Field("muc#roominfo_changesubject", ("1" if config.change == "members" else "0",), "boolean"),
        Field("muc#roomconfig_roomname", (config.name,), "text-single", "Name"),
    ]
    if group.state.avatar:
        fields.append(Field("muc#roominfo_avatarhash", (group.state.avatar,), "text-multi", "Avatar hash"))
    if config.language:
        fields.append(Field("muc#roominfo_lang", (config.language,), "text-single", "Language"))
    return [
        identity(Identity("conference", "text", name)),
        *(feature(var) for var in sorted(features_of(group))),
        build_form("result", ROOM_INFO, fields),
    ]
