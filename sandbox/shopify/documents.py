"""Checks what a client asks against the stand-in's schema, once per document.

Real clients send the same few documents for ever, so a parsed and validated one is kept.
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    build_schema,
    parse,
    validate,
)

from sandbox.shopify.reading import Json

SCHEMA: GraphQLSchema = build_schema(files(__package__).joinpath("schema.graphql").read_text(encoding="utf-8"))

_SCOPES = {
    "customer": "read_customers",
    "customerByIdentifier": "read_customers",
    "customerSegmentMembers": "read_customers",
    "customerWhatsAppMarketingConsentUpdate": "write_customers",
    "orders": "read_orders",
    "lastOrder": "read_orders",
    "codeDiscountNodeByCode": "read_discounts",
    "discountCodeBasicCreate": "write_discounts",
}
"""Which scope a field needs; a write scope includes its read scope."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A document that may be executed, or what is wrong with it.

    Attributes:
        document: None if it is refused.
        errors: in Shopify's shape.
        mutation: whether it changes anything.
        fields: every field in it that needs a scope.
    """

    document: DocumentNode | None
    errors: tuple[Json, ...] = ()
    mutation: bool = False
    fields: frozenset[str] = frozenset()


@lru_cache(maxsize=256)
def check(text: str) -> Checked:
    """Parse and validate a document."""
    try:
        document = parse(text)
    except GraphQLError as exc:
        return Checked(None, (dict(exc.formatted),))
    problems = validate(SCHEMA, document)
    if problems:
        return Checked(None, tuple(_refusal(one) for one in problems))
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    mutation = any(one.operation is OperationType.MUTATION for one in operations)
    return Checked(document, (), mutation, _field_names(document) & _SCOPES.keys())


def denied(checked: Checked, scopes: frozenset[str]) -> tuple[str, str] | None:
    """A field that the app may not use and the scope that it lacks; None if it may use all."""
    for name in sorted(checked.fields):
        needed = _SCOPES[name]
        if needed not in scopes and needed.replace("read_", "write_") not in scopes:
            return name, needed
    return None


def _field_names(document: DocumentNode) -> frozenset[str]:
    names: set[str] = set()

    def collect(node: Any) -> None:
        if isinstance(node, FieldNode):
            names.add(node.name.value)
        for one in getattr(getattr(node, "selection_set", None), "selections", ()):
            collect(one)

    for definition in document.definitions:
        collect(definition)
    return frozenset(names)


def _refusal(problem: GraphQLError) -> Json:
    """A validation error as Shopify words the commonest one: a field that the type does not have."""
    shaped: Json = dict(problem.formatted)
    node = problem.nodes[0] if problem.nodes else None
    if isinstance(node, FieldNode) and problem.message.startswith("Cannot query field"):
        type_name = problem.message.split("on type '")[1].split("'")[0]
        field = node.name.value
        shaped["message"] = f"Field '{field}' doesn't exist on type '{type_name}'"
        shaped["extensions"] = {"code": "undefinedField", "typeName": type_name, "fieldName": field}
    return shaped
