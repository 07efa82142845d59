"""Communication between nodes. So far there is only `local`: a single node, which owns every slot."""
