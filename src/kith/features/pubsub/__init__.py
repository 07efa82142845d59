"""XEP-0060 and XEP-0163: publish-subscribe nodes of accounts (`Pep`) and of the domain (`PubSubService`).

Other features import only the names of this file, and read and publish with `Pep.inside`. A request arrives
in `pep` or `service`; `use_cases` finds the function for it in `items`, `owner` or `members`; these change
`nodes`, and `notify` sends the events.
"""

from kith.features.pubsub.config import MAX_ITEMS, MAX_PAYLOAD, NodeConfig, changed, fields
from kith.features.pubsub.inside import Inside
from kith.features.pubsub.items import remove_excess
from kith.features.pubsub.nodes import Item, Node, Nodes, Record
from kith.features.pubsub.pep import Pep
from kith.features.pubsub.request import MAX_NAME
from kith.features.pubsub.service import PubSubService

__all__ = [
    "MAX_ITEMS",
    "MAX_NAME",
    "MAX_PAYLOAD",
    "Inside",
    "Item",
    "Node",
    "NodeConfig",
    "Nodes",
    "Pep",
    "PubSubService",
    "Record",
    "changed",
    "fields",
    "remove_excess",
]
