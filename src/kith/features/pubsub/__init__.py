"""XEP-0060 and XEP-0163: nodes to publish at, of an account (`Pep`) and of the domain (`PubSubService`).

Other features use what is named here: they read and publish by `Pep.inside`. A request comes in at `pep` or
`service`, `use_cases` finds what it asks for in `items`, `owner` or `members`, which work on `nodes`, and
`notify` tells who is to know.
"""

from kith.features.pubsub.config import MAX_ITEMS, MAX_PAYLOAD, NodeConfig
from kith.features.pubsub.inside import Inside
from kith.features.pubsub.nodes import Item
from kith.features.pubsub.pep import Pep
from kith.features.pubsub.service import PubSubService

__all__ = ["MAX_ITEMS", "MAX_PAYLOAD", "Inside", "Item", "NodeConfig", "Pep", "PubSubService"]
