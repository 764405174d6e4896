"""The translations, as the page asks the server for them."""

import json

import pytest
from comfy_server import PACK


@pytest.mark.parametrize("file", sorted(PACK.glob("locales/*/nodeDefs.json")), ids=lambda file: file.parent.name)
def test_the_server_hands_out_every_language(client, file):
    served = client.http.get("/i18n").raise_for_status().json()
    assert served[file.parent.name]["nodeDefs"] == json.loads(file.read_text(encoding="utf-8"))
