"""The route table is the contract's, complete and without doubt."""

from typing import Any

import pytest
from google.api import annotations_pb2
from google.api.http_pb2 import HttpRule
from google.protobuf import descriptor_pb2, descriptor_pool

from gateway.routes import Table, compiled, contract


@pytest.fixture(scope="module")
def table() -> Table:
    return Table(contract())


def service(*rules: tuple[str, HttpRule]) -> Any:
    """A made-up rpc service of GetIssue-like methods with the given http rules."""
    pool = descriptor_pool.DescriptorPool()
    file = descriptor_pb2.FileDescriptorProto(name="made.proto", package="plantops.made.v1", syntax="proto3")
    message = file.message_type.add(name="Request")
    for number, name in enumerate(("name", "parent", "note"), 1):
        message.field.add(name=name, number=number, type=9, label=1, json_name=name)
    made = file.service.add(name="MadeService")
    for name, rule in rules:
        method = made.method.add(
            name=name, input_type=".plantops.made.v1.Request", output_type=".plantops.made.v1.Request"
        )
        method.options.Extensions[annotations_pb2.http].CopyFrom(rule)
    pool.Add(file)
    return pool.FindServiceByName("plantops.made.v1.MadeService")


def test_every_rpc_of_the_contract_has_its_route(table: Table) -> None:
    for descriptor in contract():
        for method in descriptor.methods:
            if not method.client_streaming:  # a stream of requests is not one HTTP request
                assert method.full_name in table.by_rpc, method.full_name


def test_every_route_finds_itself(table: Table) -> None:
    for route in table.routes:
        path = route.shape.replace("*", "x-1")
        found, bound = table.find(path)[route.verb]
        assert found is route, path
        assert set(bound) == set(route.fields)


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("/v1/{name=sites/*/assets/*}", "/v1/sites/hamburg/assets/pump", ("sites/hamburg/assets/pump",)),
        ("/v1/{asset.name=sites/*/assets/*}", "/v1/sites/h/assets/p", ("sites/h/assets/p",)),
        ("/v1/{name=sites/*/orders/*}:start", "/v1/sites/h/orders/1:start", ("sites/h/orders/1",)),
        ("/v1/{name=sites/*/orders/*}", "/v1/sites/h/orders/1:start", None),
        ("/v1/{name=sites/*/orders/*}", "/v1/sites/h/orders/1/parts", None),
        ("/v1/{parent=sites/*}/orders", "/v1/sites//orders", None),
        ("/v1/{name}/x/{note=**}", "/v1/a/x/b/c/d", ("a", "b/c/d")),
    ],
)
def test_templates(template: str, path: str, values: tuple[str, ...] | None) -> None:
    pattern, _ = compiled(template)
    match = pattern.fullmatch(path)
    assert (match.groups() if match else None) == values


def test_further_bindings_are_routes_too() -> None:
    made = service(
        ("GetMade", HttpRule(get="/v1/{name=made/*}", additional_bindings=[HttpRule(get="/v1/made:byNote/{note=**}")]))
    )
    table = Table([made])
    assert table.find("/v1/made/x")["GET"][1] == {"name": "made/x"}
    assert not table.find("/v1/other/x")


def test_two_rpcs_with_one_address_refuse_the_start() -> None:
    made = service(("GetOne", HttpRule(get="/v1/{name=made/*}")), ("GetTwo", HttpRule(get="/v1/made/{note}")))
    with pytest.raises(TypeError, match=r"GetTwo and .*GetOne both answer GET /v1/made/\*"):
        Table([made])


def test_a_rule_that_names_no_field_refuses_the_start() -> None:
    for wrong in (HttpRule(get="/v1/{nam=made/*}"), HttpRule(post="/v1/{name=made/*}", body="nothing")):
        with pytest.raises(TypeError, match="names a field that its request does not have"):
            Table([service(("GetMade", wrong))])
