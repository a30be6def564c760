"""JSON schemas of Kubernetes' own kinds for kubeconform: `schemas.py openapi.json FOLDER`.

One file for each kind, references written out, unknown fields refused.
"""

import json
import sys
from pathlib import Path

PREFIX = "#/definitions/"


def main() -> None:
    definitions = json.loads(Path(sys.argv[1]).read_text())["definitions"]
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for definition in definitions.values():
        for kind in definition.get("x-kubernetes-group-version-kind", []):
            group = kind["group"].split(".")[0]
            name = "-".join(part for part in (kind["kind"], group, kind["version"]) if part).lower()
            (folder / f"{name}.json").write_text(json.dumps(written_out(definition, definitions, ())))


def written_out(schema, definitions: dict, open_references: tuple):
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(PREFIX)
        # The schema of schemas holds itself: anything goes below the first turn.
        if name in open_references:
            return {}
        return written_out(definitions[name], definitions, (*open_references, name))
    # A quantity or a port may be written as a number too.
    if schema.get("format") == "int-or-string" or schema.get("description", "").startswith("Quantity is"):
        return {"type": ["string", "integer", "number"]}
    done = dict(schema)
    for key in ("items", "additionalProperties"):
        if key in schema:
            done[key] = written_out(schema[key], definitions, open_references)
    if "properties" in schema:
        properties = schema["properties"].items()
        done["properties"] = {name: written_out(value, definitions, open_references) for name, value in properties}
        done.setdefault("additionalProperties", False)
    return done


if __name__ == "__main__":
    main()
