"""The features by which clients that know nothing of groups use them as rooms (XEP-0045)."""

from __future__ import annotations

from kith.core.hooks.feature import Feature
from kith.groups.answers import Answers
from kith.groups.bookmarks import RoomBookmarks
from kith.groups.card import RoomCard
from kith.groups.departures import Departures
from kith.groups.errands import Errands
from kith.groups.inviting import Inviting
from kith.groups.listing import RoomList
from kith.groups.moderation import Moderation
from kith.groups.private import PrivateMessages
from kith.groups.registering import Registering
from kith.groups.requests import Requests
from kith.groups.seats import Seats
from kith.groups.voice import VoiceRequests

ROOMS: tuple[type[Feature], ...] = (
    *(Answers, Inviting, PrivateMessages, Errands, VoiceRequests, Moderation),
    *(RoomList, Requests, Registering, RoomCard, RoomBookmarks, Departures, Seats),
)
