"""MagicMix for ComfyUI: what the host loads."""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    from .nodes.extension import MagicMixExtension
    from .nodes.host.page_routes import add_routes

    add_routes()
    return MagicMixExtension()
