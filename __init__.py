"""MagicMix for ComfyUI: what the host loads."""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    from .nodes.extension import MagicMixExtension

    return MagicMixExtension()
