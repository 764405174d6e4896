"""Words of a prompt: shown as the model's tokens, and made stronger, weaker or absent."""

from comfy_api.latest import io, ui

from ..magicmix_core.prompts import Token, Word, words_of
from ..magicmix_core.reweighting import reweight
from ..magicmix_core.wording import cut
from .host.carrying import carry
from .host.graph import place_of
from .host.node_text import tell
from .host.prompts import read_prompt, tokenize
from .host.steered_run import steer
from .host.wiring import half_connected, half_connected_here
from .inputs import checked
from .sockets import clip_input, model_to_patch_input

COLUMNS = ["index", "token", "word", "weight", "chunk"]
MOST_ROWS, MOST_WORDS = 10_000, 1000
"""More rows in the table and words on the node are only counted: no page shows them."""


class PromptTokens(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PromptTokens",
            display_name="Show Prompt Tokens (MagicMix)",
            category="MagicMix",
            description="Shows a prompt as the model reads it: its tokens, and the words that can be chosen.",
            inputs=[
                clip_input(),
                io.String.Input("text", multiline=True, dynamic_prompts=True, tooltip="The prompt."),
            ],
            outputs=[
                io.String.Output(
                    "tokens", display_name="tokens", tooltip="A table: index, token, word, weight and chunk. Show it with Preview Any."
                )
            ],
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    @checked
    def execute(cls, clip, text: str) -> io.NodeOutput:
        tokens = tokenize(clip, text)
        words = words_of(tokens)
        table = _table(tokens, words)
        tell(cls, _in_words(tokens, words))
        return io.NodeOutput(table, ui=ui.PreviewText(table))


class CrossAttnReweight(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CrossAttnReweight",
            display_name="Cross-Attn Reweight (MagicMix)",
            category="MagicMix",
            description="Makes words of a prompt stronger or weaker in the picture; a negative scale removes what they name.",
            inputs=[
                model_to_patch_input(),
                clip_input(),
                io.String.Input("text", multiline=True, dynamic_prompts=True, tooltip="The prompt."),
                io.String.Input(
                    "words",
                    default="",
                    tooltip="Words of the prompt, separated by commas, each with a scale of its own if wanted: tiger:1.5, stripes:-0.5. A word that occurs several times is scaled everywhere.",
                ),
                io.Float.Input(
                    "scale",
                    default=1.0,
                    min=-20.0,
                    max=20.0,
                    step=0.05,
                    tooltip="For words without a scale of their own. 1 = as it is, 2 = much stronger, 0 = ignored, below 0 = removed. Useful from -2 to 2.",
                ),
            ],
            outputs=[
                io.Model.Output(
                    "reweighted_model", display_name="model", tooltip="The model with this edit. Connect the conditioning too."
                ),
                io.Conditioning.Output("conditioning", display_name="conditioning", tooltip="The prompt, with its scales."),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt],
        )

    @classmethod
    def fingerprint_inputs(cls, **inputs) -> str:
        """Another one where the graph connects the outputs otherwise, so that a mistake is said although the inputs are as they were."""
        return half_connected_here()

    @classmethod
    @checked
    def execute(cls, model, clip, text: str, words: str, scale: float) -> io.NodeOutput:
        prompt = read_prompt(clip, text)
        way = reweight(prompt, words, scale)
        for mistake in half_connected(*place_of(cls)):
            tell(cls, mistake, mistaken=True)
        return io.NodeOutput(steer(model, way), carry(prompt.conditioning, way))


def _table(tokens: list[Token], words: list[Word]) -> str:
    """A row for each token up to the end of the text, as a Markdown table: Preview Any draws it, and it can be read as it stands."""
    word_of = {column: word.text for word in words for column in word.columns}
    text = min(max(word_of, default=0) + 2, len(tokens))
    rows = [
        (column, token.text, cut(word_of.get(column, "")), f"{token.weight:g}", token.chunk)
        for column, token in enumerate(tokens[: min(text, MOST_ROWS)])
    ]
    cells = [[str(cell).replace("|", r"\|") for cell in row] for row in [COLUMNS, ["---"] * len(COLUMNS), *rows]]
    more = [f"and {text - len(rows)} more"] if text > len(rows) else []
    more += [f"and {len(tokens) - text} of padding"] if len(tokens) > text else []
    return "\n".join(f"| {' | '.join(row)} |" for row in cells) + "".join(f"\n\n{line}" for line in more)


def _in_words(tokens: list[Token], words: list[Word]) -> str:
    """The same as running text, since the page may not keep lines: `chunk 0: 1 a; 2 wom + 3 bat = wombat (1.2)`."""
    parts, chunk = [], None
    for word in words[:MOST_WORDS]:
        first = tokens[word.columns[0]]
        if first.chunk != chunk:
            chunk = first.chunk
            parts.append(f"chunk {chunk}: ")
        pieces = " + ".join(f"{column} {tokens[column].text}" for column in word.columns[:MOST_WORDS])
        whole = f" = {cut(word.text)}" if len(word.columns) > 1 else ""
        weight = f" ({first.weight:g})" if first.weight != 1 else ""
        parts.append(f"{pieces}{whole}{weight}; ")
    if len(words) > MOST_WORDS:
        parts.append(f"and {len(words) - MOST_WORDS} more")
    return "".join(parts).rstrip("; ") or "no words"
