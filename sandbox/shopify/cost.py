"""What a query costs, and the bucket that it is paid from, by Shopify's published rules.

An object counts 1, scalars and enums nothing, a connection 2 and each item that it was asked for, a mutation 10. A
query is charged for what it asks for and then given back what the answer did not need.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    value_from_ast_untyped,
)

QUERY_MAXIMUM = 1000
MUTATION_COST = 10
_CONNECTION = 2


def requested_cost(schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any]) -> int:
    """What the document asks for, by its own `first` and `ids`."""
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    walk = _Walk(schema, fragments, variables)
    total = 0
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            root = schema.get_root_type(definition.operation)
            mutates = definition.operation is OperationType.MUTATION
            total += walk.selection(root, definition.selection_set, MUTATION_COST if mutates else 0)
    return total


def actual_cost(data: Any) -> int:
    """What the answer came to: its objects, with a connection's frame counted as 2."""
    if isinstance(data, list):
        return sum(actual_cost(one) for one in data)
    if not isinstance(data, dict):
        return 0
    if "node" in data:  # an edge is a wrapper and free
        return actual_cost(data["node"])
    own = _CONNECTION if "nodes" in data or "edges" in data else 1
    return own + sum(actual_cost(value) for name, value in data.items() if name != "pageInfo")


@dataclass(frozen=True, slots=True)
class _Walk:
    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]

    def selection(self, parent: GraphQLNamedType | None, selections: SelectionSetNode, each: int = 0) -> int:
        """Cost of a selection; `each` is added for every field directly in it (a mutation's price)."""
        total = 0
        for node in selections.selections:
            if isinstance(node, FieldNode):
                total += each + self._field(parent, node)
            elif isinstance(node, InlineFragmentNode):
                narrowed = node.type_condition
                total += self.selection(
                    self.schema.get_type(narrowed.name.value) if narrowed else parent, node.selection_set
                )
            elif isinstance(node, FragmentSpreadNode):
                fragment = self.fragments[node.name.value]
                narrowed_type = self.schema.get_type(fragment.type_condition.name.value)
                total += self.selection(narrowed_type, fragment.selection_set)
        return total

    def _field(self, parent: GraphQLNamedType | None, node: FieldNode) -> int:
        if node.selection_set is None or not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
            return 0
        field = parent.fields[node.name.value]
        named = get_named_type(field.type)
        inner = self.selection(named, node.selection_set)
        given = {
            one.name.value: value_from_ast_untyped(one.value, dict(self.variables)) for one in node.arguments or ()
        }
        if named.name.endswith("Connection"):
            return _CONNECTION + int(given.get("first") or 0) * max(inner, 1)
        times = len(given["ids"]) if isinstance(given.get("ids"), list) else 1
        if named.name == "PageInfo" or named.name.endswith("Edge"):  # wrappers are free; the node in an edge counts
            return inner
        return times * (1 + inner)


@dataclass(slots=True)
class Bucket:
    """A leaky bucket of one app at one shop.

    Attributes:
        maximum: points when full. The default throttles nobody; Shopify's own was seen as 2,000, restored by 100.
        restore_rate: points that come back a second.
        timer: seconds that only go forward.
    """

    maximum: float = 10_000_000
    restore_rate: float = 10_000_000
    timer: Callable[[], float] = time.monotonic
    _level: float | None = None
    _at: float = 0.0

    def available(self) -> float:
        """Points to spend now."""
        now = self.timer()
        before = self.maximum if self._level is None else self._level
        self._level = min(self.maximum, before + (now - self._at) * self.restore_rate)
        self._at = now
        return self._level

    def spend(self, points: float) -> bool:
        """Take points out, if they are there."""
        level = self.available()
        if points > level:
            return False
        self._level = level - points
        return True

    def give_back(self, points: float) -> None:
        """Return what was charged too much."""
        self._level = min(self.maximum, self.available() + points)

    def status(self) -> dict[str, float]:
        """`throttleStatus`."""
        return {
            "maximumAvailable": self.maximum,
            "currentlyAvailable": int(self.available()),
            "restoreRate": self.restore_rate,
        }
