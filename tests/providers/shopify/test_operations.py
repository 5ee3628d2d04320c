"""The documents against the vendor's own schema, and against its price for a single query."""

import gzip
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLSchema,
    NoDeprecatedCustomRule,
    OperationDefinitionNode,
    build_schema,
    parse,
    specified_rules,
    validate,
)

from providers.shopify import operations
from providers.shopify.client import (
    CUSTOMERS_PER_REQUEST,
    ORDERS_PER_REQUEST,
    SUBSCRIPTIONS_PER_REQUEST,
    UPDATED_ORDERS_PER_REQUEST,
)
from providers.shopify.operations import Operation
from providers.shopify.topics import WANTED_TOPICS
from sandbox.shopify.cost import requested_cost
from sandbox.shopify.documents import SCHEMA

ROOT = Path(__file__).parents[3]
FULL_SCHEMA = ROOT.parent / "shared" / "reference" / "shopify_admin_2026-10.graphql.gz"
ALL = [one for one in vars(operations).values() if isinstance(one, Operation)]


@pytest.fixture(scope="module")
def full() -> GraphQLSchema:
    """The vendor's schema; its six deprecation quirks are not ours to judge."""
    if not FULL_SCHEMA.exists():
        pytest.skip("the vendor's schema is not at hand")
    return build_schema(gzip.decompress(FULL_SCHEMA.read_bytes()).decode(), assume_valid=True)


def test_every_document_has_an_operation_of_its_name() -> None:
    """No document lies beside the client unused, and none is loaded twice."""
    on_disk = sorted(path.stem for path in (ROOT / "providers" / "shopify").glob("*.graphql"))
    assert sorted(one.name for one in ALL) == on_disk


@pytest.mark.parametrize("operation", ALL, ids=lambda one: one.name)
def test_mutations_are_known_as_such(operation: Operation[Any]) -> None:
    """An operation counts as a mutation exactly if its document is one, because that decides what a 5xx means."""
    definitions = parse(operation.document).definitions
    kinds = {one.operation.value for one in definitions if isinstance(one, OperationDefinitionNode)}
    assert len(definitions) == 1
    assert kinds == {"mutation" if operation.mutation else "query"}


def test_every_document_fits_the_vendors_schema(full: GraphQLSchema) -> None:
    """Each document is valid in 2026-10 and uses nothing that is deprecated there."""
    for operation in ALL:
        problems = validate(full, parse(operation.document), [*specified_rules, NoDeprecatedCustomRule])
        assert not problems, f"{operation.name}: {problems}"


def test_every_wanted_topic_is_the_vendors(full: GraphQLSchema) -> None:
    """Each topic that the house subscribes to is one that the API offers, and the sandbox too."""
    for schema in (SCHEMA, full):
        topics = schema.type_map["WebhookSubscriptionTopic"]
        assert isinstance(topics, GraphQLEnumType)
        assert set(WANTED_TOPICS) <= topics.values.keys()


@pytest.mark.parametrize(
    ("operation", "variables"),
    [
        (operations.LAPSED_CUSTOMERS, {"first": 250}),
        (operations.CUSTOMERS_LAST_ORDERS, {"ids": ["gid://shopify/Customer/1"] * CUSTOMERS_PER_REQUEST}),
        (operations.PURCHASES_SINCE, {"first": ORDERS_PER_REQUEST}),
        (operations.ORDERS_UPDATED_SINCE, {"first": UPDATED_ORDERS_PER_REQUEST}),
        (operations.CUSTOMER_BY_PHONE, {}),
        (operations.DISCOUNT_BY_CODE, {}),
        (operations.DISCOUNT_CREATE, {}),
        (operations.WEBHOOK_SUBSCRIPTIONS, {"first": SUBSCRIPTIONS_PER_REQUEST}),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
def test_no_request_asks_for_more_than_one_query_may_cost(operation: Operation[Any], variables: dict[str, Any]) -> None:
    """With its largest variables each operation stays well below the 1,000 points of a single query."""
    assert requested_cost(SCHEMA, parse(operation.document), variables) <= 750
