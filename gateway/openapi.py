"""OpenAPI 3.1 description of the gateway, made from the contract: nothing in it is written by hand twice."""

import re
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from plantops.type.v1 import access_pb2

from gateway.documents import own_form
from gateway.routes import Route, Table
from gateway.schemas import Schema, Schemas, behaves, comments, required
from services.chassis.requests import changes, masked_field

VERSION = "v1"
_VARIABLE = re.compile(r"\{([\w.]+)(?:=([^}]+))?\}")
_SINGULAR = {"people": "person"}

PROBLEM: Schema = {
    "type": "object",
    "description": "A refusal (RFC 9457). `reason` is what programs read; `detail` is for people.",
    "required": ["type", "title", "status", "detail", "instance", "code", "reason"],
    "properties": {
        "type": {"type": "string", "description": "urn:plantops:reason:<reason>"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "description": "urn:plantops:request:<request id>"},
        "code": {"type": "string", "description": "Canonical code of google.rpc.Code."},
        "reason": {"type": "string"},
        "domain": {"type": "string"},
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
        "fields": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "description"],
                "properties": {
                    "field": {"type": "string", "description": "Path of the field as the contract names it."},
                    "description": {"type": "string"},
                },
            },
        },
        "preconditions": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "type": {"type": "string"},
                    "subject": {"type": "string"},
                    "description": {"type": "string"},
                },
            },
        },
        "retryAfter": {"type": "string", "description": "Seconds after which to try again, such as 1s."},
    },
}

_REFUSALS = {
    "400": "The request is wrong, or the state of the plant does not allow it.",
    "401": "No valid access token.",
    "403": "The caller lacks the permission there, or may not do both duties of a pair.",
    "404": "Nothing of that name that the caller may see.",
    "409": "The name is taken, or a concurrent change won.",
    "412": "If-Match: the resource changed since it was read.",
    "413": "The body is too large.",
    "415": "The body is not application/json.",
    "422": "Idempotency-Key: used before for another content.",
    "429": "A limit is reached; Retry-After says when to try again.",
    "503": "A service is away; try again with the same key.",
    "504": "No answer in time; try again with the same key.",
}

_TOKEN_PATH: Schema = {
    "post": {
        "operationId": "Development_Token",
        "tags": ["Development"],
        "summary": "An access token of the built-in issuer; development only.",
        "security": [],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["person"],
                        "properties": {"person": {"type": "string", "examples": ["people/ana"]}},
                    }
                }
            },
        },
        "responses": {
            "200": {
                "description": "The token.",
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "required": ["access_token", "token_type", "expires_in"],
                            "properties": {
                                "access_token": {"type": "string"},
                                "token_type": {"const": "Bearer"},
                                "expires_in": {"type": "integer"},
                                "roles": {
                                    "type": "object",
                                    "additionalProperties": {"type": "array", "items": {"type": "string"}},
                                },
                            },
                        }
                    }
                },
            },
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }
}


def describe(table: Table, *, development: bool = False) -> dict[str, Any]:
    """The description of all routes of a table."""
    schemas = Schemas()
    paths: dict[str, Any] = {}
    tags: dict[str, str] = {}
    found: dict[str, int] = {}
    for route in table.routes:
        path, parameters = _path(route)
        operation = _operation(route, parameters, schemas)
        ways = found[route.rpc.full_name] = found.get(route.rpc.full_name, 0) + 1
        if ways > 1:  # another route of the same rpc
            operation["operationId"] += f"_{ways}"
        paths.setdefault(path, {})[route.verb.lower()] = operation
        service = route.rpc.containing_service
        tags[service.name] = comments().get(service.full_name, "")
    if development:
        paths["/dev/token"] = _TOKEN_PATH
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Plantops",
            "version": VERSION,
            "description": (
                "Maintenance, materials and procurement of a plant. Bodies are proto3 JSON: 64-bit numbers are texts, "
                "enums their names; answers hold every field but unset objects. Unknown fields and parameters are "
                "refused. Requests that change something carry a key of their own (requestId or Idempotency-Key); "
                "the same request sent again gives the same answer, marked by `Idempotent-Replay: true`."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": name, "description": text} for name, text in tags.items()],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": {"Problem": PROBLEM, **dict(sorted(schemas.found.items()))},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "Access token."}
            },
            "responses": {
                "Problem": {"description": "A refusal.", "content": problem},
                **{f"Problem{code}": {"description": text, "content": problem} for code, text in _REFUSALS.items()},
            },
            "headers": {
                "ETag": {"description": "Version of the resource, for If-Match.", "schema": {"type": "string"}},
                "IdempotentReplay": {
                    "description": "`true` when this is the stored answer of an earlier request with this key.",
                    "schema": {"type": "string"},
                },
                "RequestId": {"description": "Id to quote to the operators.", "schema": {"type": "string"}},
            },
        },
    }


def _path(route: Route) -> tuple[str, list[Schema]]:
    """The template with one parameter per wildcard: {name=sites/*/assets/*} -> sites/{site}/assets/{asset}."""
    parameters: list[Schema] = []

    def variable(found: re.Match[str]) -> str:
        words = (found[2] or "*").split("/")
        for index, word in enumerate(words):
            if word in ("*", "**"):
                name = _singular(words[index - 1]) if index else found[1]
                parameters.append(
                    {
                        "name": name,
                        "in": "path",
                        "required": True,
                        "description": f"Id in {found[1]}, {found[2] or '*'}.",
                        "schema": {"type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[^/:%?#]+$"},
                    }
                )
                words[index] = f"{{{name}}}"
        return "/".join(words)

    return _VARIABLE.sub(variable, route.template), parameters


def _singular(collection: str) -> str:
    if collection.endswith("ies"):
        return collection[:-3] + "y"
    return _SINGULAR.get(collection, collection.removesuffix("s"))


def _operation(route: Route, parameters: list[Schema], schemas: Schemas) -> Schema:
    rpc = route.rpc
    text = comments().get(rpc.full_name, rpc.name)
    signature = rpc.GetOptions().Extensions[access_pb2.signature]
    body = _body(route, schemas)
    operation: Schema = {
        "operationId": f"{rpc.containing_service.name}_{rpc.name}",
        "tags": [rpc.containing_service.name],
        "summary": text.partition(". ")[0].removesuffix(".") + ".",
        "description": text,
        "x-plantops-scope": rpc.GetOptions().Extensions[access_pb2.scope],
        "parameters": [*parameters, *_query(route, schemas), *_headers(route)],
        "responses": _responses(route, schemas),
    }
    if signature:
        operation["x-plantops-signature"] = signature
    if body is not None:
        operation["requestBody"] = {"required": _needs_body(route), "content": {"application/json": {"schema": body}}}
    return operation


def _body(route: Route, schemas: Schemas) -> Schema | None:
    if not route.body:
        return None
    if route.body == "*":
        bound = frozenset(name for name in route.fields if "." not in name)
        schema = schemas.object(route.rpc.input_type, bound)
        if "request_id" in route.rpc.input_type.fields_by_name:  # the header may give it
            schema["required"] = [name for name in schema.get("required", []) if name != "requestId"]
            if not schema["required"]:
                del schema["required"]
        return schema
    field = route.rpc.input_type.fields_by_name[route.body]
    if route.verb == "PATCH":
        return schemas.object(field.message_type, partial=True)
    return schemas.reference(field.message_type)


def _needs_body(route: Route) -> bool:
    if route.body != "*":
        return True
    bound = {*route.fields, "request_id"}
    return any(required(field) for field in route.rpc.input_type.fields if field.name not in bound)


def _query(route: Route, schemas: Schemas) -> list[Schema]:
    if route.body == "*":
        return []
    taken = {path.partition(".")[0] for path in route.fields} | {route.body}
    return [
        parameter
        for field in route.rpc.input_type.fields
        if field.name not in taken
        for parameter in _parameters(field, "", schemas)
    ]


def _parameters(field: FieldDescriptor, prefix: str, schemas: Schemas) -> list[Schema]:
    kind: Descriptor | None = field.message_type
    if kind is not None and not own_form(kind):
        name = f"{prefix}{field.json_name}."
        return [
            item
            for inner in kind.fields
            if not behaves(inner, field_behavior_pb2.OUTPUT_ONLY)
            for item in _parameters(inner, name, schemas)
        ]
    schema = schemas.field(field)
    found: Schema = {
        "name": prefix + field.json_name,
        "in": "query",
        "description": schema.pop("description", ""),
        "schema": schema,
    }
    if required(field) and field.name != "request_id" and not prefix:
        found["required"] = True
    if field.is_repeated:
        found |= {"style": "form", "explode": True}
    return [found]


def _headers(route: Route) -> list[Schema]:
    kind = route.rpc.input_type
    found: list[Schema] = []
    if "request_id" in kind.fields_by_name:
        found.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "Key of this command (UUID), instead of requestId; kept for 30 days.",
                "schema": {"type": "string", "format": "uuid"},
            }
        )
    resource = masked_field(kind)
    holder = kind.fields_by_name[resource].message_type if resource else kind
    if changes(kind) and "etag" in holder.fields_by_name:
        found.append(
            {
                "name": "If-Match",
                "in": "header",
                "description": "ETag of the resource as it was read; another current one is 412.",
                "schema": {"type": "string", "pattern": '^(\\*|"[^"]+")$'},
            }
        )
    if route.verb == "GET" and "etag" in route.rpc.output_type.fields_by_name:
        found.append(
            {
                "name": "If-None-Match",
                "in": "header",
                "description": "ETag that is known already; 304 when it is still current.",
                "schema": {"type": "string"},
            }
        )
    return found


def _responses(route: Route, schemas: Schemas) -> Schema:
    kind = route.rpc.output_type
    media_type = "application/x-ndjson" if route.rpc.server_streaming else "application/json"
    headers: Schema = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}
    found: Schema = {}
    if "etag" in kind.fields_by_name:
        headers["ETag"] = {"$ref": "#/components/headers/ETag"}
        if route.verb == "GET":
            found["304"] = {"description": "Still as known."}
    if changes(route.rpc.input_type):
        headers["Idempotent-Replay"] = {"$ref": "#/components/headers/IdempotentReplay"}
    text = comments().get(kind.full_name, "The answer.")
    found["200"] = {
        "description": text,
        "headers": headers,
        "content": {media_type: {"schema": schemas.reference(kind)}},
    }
    codes = set(_REFUSALS) - ({"412", "422", "409"} if not changes(route.rpc.input_type) else set())
    codes -= {"413", "415"} if not route.body else set()
    found |= {code: {"$ref": f"#/components/responses/Problem{code}"} for code in sorted(codes)}
    found["default"] = {"$ref": "#/components/responses/Problem"}
    return found
