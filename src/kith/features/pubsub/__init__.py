"""XEP-0060 and XEP-0163: publish-subscribe nodes of accounts (`Pep`) and of the domain (`PubSubService`).

Other features import only the names of this file, and read and publish with `Pep.inside`. A request arrives
in `pep` or `service`; `use_cases` finds the function for it in `items`, `owner` or `members`; these change
`nodes`, and `notify` sends the events.
"""

from kith.features.pubsub.config import MAX_ITEMS, MAX_PAYLOAD, NodeConfig
from kith.features.pubsub.inside import Inside
from kith.features.pubsub.nodes import Item
from kith.features.pubsub.pep import Pep
from kith.features.pubsub.service import PubSubService

__all__ = ["MAX_ITEMS", "MAX_PAYLOAD", "Inside", "Item", "NodeConfig", "Pep", "PubSubService"]
