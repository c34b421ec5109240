"""The OpenAPI 3.1 document, made of the handler table. `python -m alphintra_lab.api.openapi`."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from .. import __version__
from .handler import Endpoint, ErrorAnswer, Route

REF = "#/components/schemas/{name}"


def build_document(routes: list[Route]) -> dict[str, Any]:
    """The document for a table of routes: paths, types, and who may call what."""
    found = [
        (route, method, described)
        for route in routes
        for method in ("get", "post", "put", "patch", "delete", "head")
        if isinstance(described := _described(route, method), Endpoint)
    ]
    types = [ErrorAnswer]
    for _, _, one in found:
        types += [kind for kind in (one.body, one.query, one.answer) if kind is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template=REF)
    schema_of = {_key(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    paths: dict[str, Any] = {}
    for route, method, one in found:
        operation = _operation(route, method, one, schema_of, components)
        paths.setdefault(route.path, {})[method] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Alphintra Lab",
            "version": __version__,
            "description": "Strategies, datasets, backtests and jobs of the lab.",
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`token TOKEN`, as for every Jupyter server",
                }
            },
        },
        "security": [{"token": []}],
    }


def _described(route: Route, method: str) -> Any:
    return getattr(getattr(route.handler, method, None), "endpoint", None)


def _key(kind: Any) -> str:
    return repr(kind)


def _operation(
    route: Route,
    method: str,
    one: Endpoint,
    schema_of: dict[str, Any],
    components: dict[str, Any],
) -> dict[str, Any]:
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": msgspec.json.schema(one.path[name]),
        }
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    if one.query is not None:
        fields = components[one.query.__name__]
        parameters += [
            {
                "name": name,
                "in": "query",
                "required": name in fields.get("required", []),
                "schema": schema,
            }
            for name, schema in fields["properties"].items()
        ]
    operation: dict[str, Any] = {
        "operationId": f"{method}_{re.sub(r'[^a-z0-9]+', '_', route.path.lower()).strip('_')}",
        "summary": one.summary,
        "tags": [_tag(route)],
        "parameters": parameters,
        "responses": _responses(one, schema_of),
    }
    if one.body is bytes:
        content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
        operation["requestBody"] = {"required": True, "content": content}
    elif one.body is not None:
        content = {"application/json": {"schema": schema_of[_key(one.body)]}}
        operation["requestBody"] = {"required": True, "content": content}
    if route.access == "public":
        operation["security"] = []
    return operation


def _responses(one: Endpoint, schema_of: dict[str, Any]) -> dict[str, Any]:
    error = {"application/json": {"schema": schema_of[_key(ErrorAnswer)]}}
    good: dict[str, Any] = {"description": "Done"}
    if one.answer is bytes:
        binary = {"schema": {"type": "string", "format": "binary"}}
        good["content"] = {"application/octet-stream": binary}
    elif one.answer is not None:
        good["content"] = {"application/json": {"schema": schema_of[_key(one.answer)]}}
    status = one.status if one.answer is not None else 204
    return {str(status): good, "default": {"description": "An error", "content": error}}


def _tag(route: Route) -> str:
    parts = route.path.strip("/").split("/")
    return parts[1] if parts[0] == "api" and "." not in parts[1] else "service"


def main() -> None:
    """Print the document, for the front end's generated types."""
    import sys

    from .routes import ROUTES

    document = msgspec.json.format(msgspec.json.encode(build_document(ROUTES)), indent=2)
    sys.stdout.write(document.decode() + "\n")


if __name__ == "__main__":
    main()
