"""What the pack's part of the page asks the host's own server: which words a prompt has, and where a schedule's steps lie.

Both answer from what is asked alone: no file is read, nothing is kept, and nothing leaves the server.
"""

import asyncio
import json
import re
from collections.abc import Callable
from functools import partial

import comfy.model_sampling
import comfy.samplers
import numpy as np
import server
from comfy.sd1_clip import SD1Tokenizer

from ...magicmix_core.checks import check_choice, check_range
from ...magicmix_core.prompt_to_prompt import EDITS
from ...magicmix_core.prompts import WordFinder
from ...magicmix_core.word_choice import chosen_words, followed_words, names_of
from .prompts import tokenize
from .samplers import SAMPLERS, SCHEDULERS, check_made

MOST_BYTES = 32_768
MOST_LETTERS = 5_000
MOST_STEPS = 1_000
FIELDS = ("words", "local_blend", "word_steps", "nu_words")
EMBEDDING = r"(?<![^\s(])embedding:[^\s,():]+"
SIGNS = range(0x2800, 0x2900)  # Braille: each a word of its own to CLIP

Answer = Callable[[dict], dict]


def add_routes() -> None:
    """Has the host's server answer the page, where there is a server."""
    instance = getattr(server.PromptServer, "instance", None)
    if instance is None:
        return
    tokenizer: list[PageTokenizer] = []  # made when it is first asked for, since it takes a second

    def words(asked: dict) -> dict:
        if not tokenizer:
            tokenizer.append(PageTokenizer())
        return words_answer(tokenizer[0], asked)

    instance.routes.post("/magicmix/words")(partial(_answer, words))
    instance.routes.post("/magicmix/steps")(partial(_answer, steps_answer))


async def _answer(answer: Answer, request):
    """JSON for JSON: 413 for too much, 400 for what is not as it should be, with the reason in words."""
    if request.content_length is None or request.content_length > MOST_BYTES:
        return _json({"error": f"at most {MOST_BYTES} bytes, of a length that is said"}, 413)
    try:
        asked = json.loads(await request.read())
        if not isinstance(asked, dict):
            raise ValueError("an object is wanted")
        return _json(await asyncio.to_thread(answer, asked), 200)
    except (ValueError, RecursionError) as error:
        return _json({"error": str(error)}, 400)


def _json(answered: dict, status: int):
    return server.web.json_response(answered, status=status)


class PageTokenizer:
    """CLIP's words as every CLIP text encoder of the host finds them, without its weights and without its embeddings' files."""

    def __init__(self):
        self.tokenizer = SD1Tokenizer()

    def tokenize(self, text: str, **options) -> dict:
        return self.tokenizer.tokenize_with_weights(text, **options)


def words_answer(clip: PageTokenizer, asked: dict) -> dict:
    """The words of one or two `texts`, the latter two of an edit, and where the words of each of the `fields` are in them.

    Raises ValueError for what is not so.
    """
    texts, fields = asked.get("texts"), asked.get("fields", {})
    if not isinstance(texts, list) or len(texts) not in (1, 2) or not isinstance(fields, dict) or not set(fields) <= set(FIELDS):
        raise ValueError(f"texts must be one or two, fields some of {', '.join(FIELDS)}")
    for text in (*texts, *fields.values()):
        if not isinstance(text, str) or len(text) > MOST_LETTERS:
            raise ValueError(f"each text must have at most {MOST_LETTERS} letters")
    signs = {name: chr(sign) for name, sign in zip(_embeddings(*texts, *fields.values()), SIGNS, strict=False)}
    signed = [_signed(text, signs) for text in texts]
    tokens = [tokenize(clip, text) for text in signed]
    finders = [WordFinder(each) for each in tokens]

    def phrase(text: str):
        return tokenize(clip, _signed(text, signs))

    names = {sign: name for name, sign in signs.items()}
    answer: dict = {
        "words": [
            [name and names.get(name, name) for name in names_of(text, finder, phrase)]
            for text, finder in zip(signed, finders, strict=True)
        ],
        "fields": {},
    }
    for name, field in fields.items():
        try:
            answer["fields"][name] = {"places": chosen_words(field, name, finders, phrase)}
        except ValueError as error:
            answer["fields"][name] = {"error": str(error)}
    if len(texts) == 2:
        check_choice("edit", asked.get("edit"), EDITS)
        try:
            answer["follows"], answer["edit"] = followed_words(*tokens, asked["edit"])
        except ValueError as error:
            answer["error"] = str(error)
    return answer


def _embeddings(*texts: str) -> list[str]:
    return list(dict.fromkeys(name for text in texts for name in re.findall(EMBEDDING, text)))


def _signed(text: str, signs: dict[str, str]) -> str:
    """`text` with a sign for each embedding, whose file is not looked for: a word of its own, whatever it is."""
    return re.sub(EMBEDDING, lambda match: f" {signs.get(match[0], match[0])} ", text)


def steps_answer(asked: dict) -> dict:
    """`levels` `[steps + 1]`, or as many as the host makes of these steps, of a schedule as k_max and k_min count them, fractions of the timesteps, for the noise of Stable Diffusion.

    `sampler_name` may be left out, as may `denoise`. Raises ValueError for another schedule than the host's, and for one that it cannot make.
    """
    steps, scheduler, sampler = (asked.get(name) for name in ("steps", "scheduler", "sampler_name"))
    denoise = asked.get("denoise", 1.0)
    if not isinstance(steps, int) or isinstance(steps, bool) or isinstance(denoise, bool) or not isinstance(denoise, int | float):
        raise ValueError("steps must be a whole number, denoise a number")
    check_range("steps", steps, 1, MOST_STEPS)
    check_range("denoise", denoise, 0.01, 1)
    check_choice("scheduler", scheduler, SCHEDULERS)
    if sampler is not None:
        check_choice("sampler_name", sampler, SAMPLERS)
    whole = int(steps / denoise)  # as the host's Basic Scheduler takes it
    check_range("steps at this denoise", whole, 1, MOST_STEPS * 10)
    sampling = comfy.model_sampling.ModelSamplingDiscrete()
    drops = sampler in comfy.samplers.KSampler.DISCARD_PENULTIMATE_SIGMA_SAMPLERS
    sigmas = comfy.samplers.calculate_sigmas(sampling, scheduler, whole + drops)
    check_made(sigmas, scheduler, steps)
    if drops:
        sigmas = sigmas[[*range(len(sigmas) - 2), -1]]
    if whole > steps:
        sigmas = sigmas[-(steps + 1) :]
    sigmas = sigmas.double().numpy()
    timesteps = np.interp(np.log(np.maximum(sigmas, 1e-12)), sampling.log_sigmas.double().numpy(), np.arange(len(sampling.sigmas)))
    levels = np.round(timesteps / 999, 6)  # so that steps at k_max and k_min themselves are seen to be there
    return {"levels": np.where(sigmas > 0, np.maximum(levels, 1e-9), 0.0).tolist()}
