"""`make locales`: writes locales/en/nodeDefs.json, what every translation starts from, out of the nodes' own schemas."""

import json

from comfy_server import PACK
from inprocess import load_pack, pack_schemas, start_host
from saved_graphs import ON_NEWER_HOSTS

LOCALES = PACK / "locales"


def english_texts(schemas: dict) -> dict:
    """Every text that the page shows of the nodes, in the form of the host's nodeDefs.json; nodes by id."""
    return {
        node_id: {
            "display_name": schema.display_name,
            "description": schema.description,
            "inputs": {
                entry.id: {"name": entry.display_name or entry.id, "tooltip": entry.tooltip}
                for entry in schema.inputs
                if entry.id not in ON_NEWER_HOSTS
            },
            "outputs": {str(i): {"name": entry.display_name, "tooltip": entry.tooltip} for i, entry in enumerate(schema.outputs)},
        }
        for node_id, schema in sorted(schemas.items())
    }


if __name__ == "__main__":
    start_host("--cpu")
    load_pack()
    file = LOCALES / "en" / "nodeDefs.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(english_texts(pack_schemas()), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    print(file.relative_to(PACK))
