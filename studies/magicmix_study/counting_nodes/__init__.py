"""A node pack without nodes: has ComfyUI count calls of the network and models loaded, by prompt id, for the study's table.

Only servers that a study starts with --count have it: it replaces two methods of the host's.
"""

import functools
from collections import Counter, OrderedDict

import comfy.model_base
from aiohttp import web
from server import PromptServer

KEPT = 1000
NODE_CLASS_MAPPINGS = {}


class Counts:
    """The counts of the last graphs."""

    def __init__(self):
        self.by_prompt: OrderedDict[str, Counter] = OrderedDict()

    def add(self, what: str) -> None:
        self.by_prompt.setdefault(PromptServer.instance.last_prompt_id or "", Counter())[what] += 1
        while len(self.by_prompt) > KEPT:
            self.by_prompt.popitem(last=False)

    def of(self, prompt_id: str) -> dict[str, int]:
        return {"unet_calls": 0, "checkpoint_loads": 0} | dict(self.by_prompt.get(prompt_id, {}))


def counted(counts: Counts, method, what: str):
    @functools.wraps(method)
    def call(*args, **kwargs):
        counts.add(what)
        return method(*args, **kwargs)

    return call


def install() -> None:
    counts, model = Counts(), comfy.model_base.BaseModel
    model.apply_model = counted(counts, model.apply_model, "unet_calls")
    model.__init__ = counted(counts, model.__init__, "checkpoint_loads")

    @PromptServer.instance.routes.get("/magicmix_study/counts/{prompt_id}")
    async def answer(request: web.Request) -> web.Response:
        return web.json_response(counts.of(request.match_info["prompt_id"]))


install()
