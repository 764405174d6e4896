"""Text on a node while and after it runs."""

import logging

import server
from comfy_execution.utils import get_executing_context

NOTES = "magicmix_notes"
"""The entry of a run's transformer_options that holds its Notes."""
EVENT = "magicmix.note"
"""What the pack's part of the page listens to."""


def tell(node, text: str, mistaken: bool = False) -> None:
    """Shows `text` on `node`, a class whose schema asks for the hidden unique_id, and in the log: as a warning of what is `mistaken`.

    The page's newer renderer may not draw it where the same graph was open before.
    """
    logging.log(logging.WARNING if mistaken else logging.INFO, "MagicMix: %s", text)
    _show(getattr(getattr(node, "hidden", None), "unique_id", None), text)


class Notes:
    """What a run has to say to the user: shown on the node that samples, one below the other, each once."""

    def __init__(self):
        self.texts: list[str] = []

    def add(self, text: str) -> None:
        if text not in self.texts:
            self.texts.append(text)
            logging.warning("MagicMix: %s", text)
            context = get_executing_context()
            _show(context and context.node_id, "\n".join(self.texts))


def notes_of(options: dict) -> Notes:
    """The notes of the run with these transformer_options."""
    return options.setdefault(NOTES, Notes())


def _show(node_id: str | None, text: str) -> None:
    instance = getattr(server.PromptServer, "instance", None)
    if instance is not None and node_id is not None:
        instance.send_progress_text(text, node_id)
        instance.send_sync(EVENT, {"node": node_id, "text": text})  # pages that take such text off when a run ends show this instead
