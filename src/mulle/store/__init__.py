"""Objects: immutable bytes named by their digest."""

from mulle.store.local import LocalStore
from mulle.store.port import Damage, ObjectStore
from mulle.store.trees import get_tree, put_tree

__all__ = ["Damage", "LocalStore", "ObjectStore", "get_tree", "put_tree"]
