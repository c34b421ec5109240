"""JSON Schemas of what the command line prints with `--json`, made from the structs themselves.

`python -m alphintra_lab.schemas` writes them anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from ..backtests.schema import Result
from ..datasets.schema import DatasetDetail, Report
from ..reports import DatasetList, Exported, Failure

PRINTED: dict[str, type[msgspec.Struct]] = {
    "backtest": Result,
    "check": Report,
    "dataset": DatasetDetail,
    "dataset-export": Exported,
    "dataset-list": DatasetList,
    "error": Failure,
}
"""Name of the schema's file -> what is printed. `dataset` is what `add` and `show` print."""

FOLDER = Path(__file__).parent


def build_schema(printed: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one kind of object."""
    (schema,), components = msgspec.json.schema_components([printed], ref_template="#/$defs/{name}")
    name = printed.__name__
    root = components.pop(name) if schema == {"$ref": f"#/$defs/{name}"} else schema
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return dialect | root | ({"$defs": components} if components else {})


def encode_schema(printed: type[msgspec.Struct]) -> bytes:
    """The same as the file's bytes."""
    raw = msgspec.json.encode(build_schema(printed), order="deterministic")
    return msgspec.json.format(raw) + b"\n"
