"""The stand-in's schema is a part of the vendor's, line by line."""

import gzip
from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    is_introspection_type,
    is_required_argument,
    is_required_input_field,
    is_specified_scalar_type,
)

from sandbox.shopify.documents import SCHEMA

FULL_SCHEMA = Path(__file__).parents[4] / "shared" / "reference" / "shopify_admin_2026-10.graphql.gz"
OWN_TYPES = [
    one for one in SCHEMA.type_map.values() if not is_introspection_type(one) and not is_specified_scalar_type(one)
]


@pytest.fixture(scope="module")
def full() -> GraphQLSchema:
    """The vendor's schema; its six deprecation quirks are not ours to judge."""
    if not FULL_SCHEMA.exists():
        pytest.skip("the vendor's schema is not at hand")
    return build_schema(gzip.decompress(FULL_SCHEMA.read_bytes()).decode(), assume_valid=True)


def test_every_type_is_of_the_same_kind(full: GraphQLSchema) -> None:
    """An object is an object there too, an enum an enum, and the roots have the same names."""
    assert {one.name: type(full.type_map[one.name]) for one in OWN_TYPES} == {one.name: type(one) for one in OWN_TYPES}
    assert str(full.query_type) == str(SCHEMA.query_type)
    assert str(full.mutation_type) == str(SCHEMA.mutation_type)


def test_every_field_has_the_same_type_and_arguments(full: GraphQLSchema) -> None:
    """Fields agree in type and nullability, their arguments too; none is deprecated; no required one is missing."""
    for own in OWN_TYPES:
        theirs = full.type_map[own.name]
        if not isinstance(own, GraphQLObjectType | GraphQLInterfaceType):
            continue
        assert isinstance(theirs, GraphQLObjectType | GraphQLInterfaceType)
        assert {str(one) for one in own.interfaces} <= {str(one) for one in theirs.interfaces}
        for name, field in own.fields.items():
            place = f"{own.name}.{name}"
            real = theirs.fields[name]
            assert str(field.type) == str(real.type), place
            assert real.deprecation_reason is None, place
            assert {arg: str(one.type) for arg, one in field.args.items()} == {
                arg: str(real.args[arg].type) for arg in field.args
            }, place
            assert not [arg for arg, one in real.args.items() if is_required_argument(one) and arg not in field.args]
            assert not [arg for arg in field.args if real.args[arg].deprecation_reason is not None], place


def test_every_input_has_the_same_fields(full: GraphQLSchema) -> None:
    """Input fields agree in type and nullability; none is deprecated; no required one is missing."""
    for own in OWN_TYPES:
        theirs = full.type_map[own.name]
        if not isinstance(own, GraphQLInputObjectType):
            continue
        assert isinstance(theirs, GraphQLInputObjectType)
        for name, field in own.fields.items():
            assert str(field.type) == str(theirs.fields[name].type), f"{own.name}.{name}"
            assert theirs.fields[name].deprecation_reason is None, f"{own.name}.{name}"
        assert not [
            name for name, one in theirs.fields.items() if is_required_input_field(one) and name not in own.fields
        ], own.name


def test_enums_and_unions_hold_nothing_of_their_own(full: GraphQLSchema) -> None:
    """Every value of an enum and every member of a union is the vendor's as well."""
    for own in OWN_TYPES:
        theirs = full.type_map[own.name]
        if isinstance(own, GraphQLEnumType):
            assert isinstance(theirs, GraphQLEnumType)
            assert own.values.keys() <= theirs.values.keys(), own.name
        if isinstance(own, GraphQLUnionType):
            assert isinstance(theirs, GraphQLUnionType)
            assert {str(one) for one in own.types} <= {str(one) for one in theirs.types}, own.name
