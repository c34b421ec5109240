"""Write the schemas' files."""

from . import FOLDER, PRINTED, encode_schema

for name, printed in PRINTED.items():
    (FOLDER / f"{name}.json").write_bytes(encode_schema(printed))
