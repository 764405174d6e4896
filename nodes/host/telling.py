"""Text on a node while and after it runs."""

import logging

import server


def tell(node, text: str) -> None:
    """Shows `text` on `node`, a class whose schema asks for the hidden unique_id, and in the log.

    The page's newer renderer may not draw it where the same graph was open before.
    """
    logging.info("MagicMix: %s", text)
    instance, hidden = getattr(server.PromptServer, "instance", None), getattr(node, "hidden", None)
    if instance is not None and hidden is not None and hidden.unique_id is not None:
        instance.send_progress_text(text, hidden.unique_id)
