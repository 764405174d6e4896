"""Re-weighting, recorded maps and Prompt-to-Prompt against a plain run; and against attention maps made explicitly.

The first table, plain against plain, shows how much of the others is the machine's noise. The explicit run is the published
codes' way: source and target, both with and without their prompt, are four rows of one batch; every attention map is made, the
target's is replaced by the source's, and applied.
"""

import zlib
from collections.abc import Callable

import torch
from interleaved import Bench
from torch import Tensor
from torch.nn import Module

SOURCE, TARGET = "a photo of a cat riding a bicycle", "a photo of a dog riding a bicycle"


class RandomClip:
    """The tokens of Stable Diffusion 1.x with random encodings: what they say does not matter to the cost."""

    def __init__(self):
        import comfy.sd1_clip

        self.tokenizer = comfy.sd1_clip.SD1Tokenizer()
        self.tokenize = self.tokenizer.tokenize_with_weights

    def encode_from_tokens_scheduled(self, tokens: dict) -> list:
        seed = zlib.crc32(repr(tokens).encode())
        return [[torch.randn(1, 77 * len(tokens["l"]), 768, generator=torch.Generator().manual_seed(seed)), {}]]


def explicit_attention(change: Callable[[Module, Tensor, bool], None]) -> Callable:
    """A forward of the host's CrossAttention that makes its maps `[rows, heads, N, W]` and has `change(layer, maps, is_self)` change them."""

    def forward(attn, x, context=None, value=None, mask=None, transformer_options=None):
        keyed = x if context is None else context
        q, k, v = (part.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for part in (attn.to_q(x), attn.to_k(keyed), attn.to_v(keyed)))
        maps = (q @ k.mT * attn.dim_head**-0.5).softmax(-1)
        change(attn, maps, keyed is x)
        return attn.to_out((maps @ v).transpose(1, 2).flatten(2))

    return forward


def follow_the_source(attn: Module, maps: Tensor, is_self: bool) -> None:
    """Rows: both without a prompt, source, target."""
    if not is_self or maps.shape[2] <= 256:
        maps[3] = maps[2]


def main() -> None:
    bench = Bench(__doc__, pairs=3, steps=4)
    clip = RandomClip()
    positive = bench.run("CLIPTextEncode", clip=clip, text=TARGET)[0]
    (layout, _) = bench.run("MagicMixLayoutFromPrompt", **bench.conditioning, **bench.sampling, latent=bench.latent)
    common = {"model": bench.model, "clip": clip}
    weighted = bench.run("CrossAttnReweight", **common, text=TARGET, words="dog:2", scale=1.0)
    watched, _ = bench.run("CrossAttnRecord", **common, text=TARGET, words="dog, bicycle", resolution="16")
    texts = {"source_text": SOURCE, "target_text": TARGET}
    swapped = bench.run("PromptToPrompt", **common, layout=layout, **texts, edit="swap", cross_steps=1.0, self_steps=1.0)
    both = torch.cat(
        [bench.conditioning["negative"][0][0]] * 2 + [bench.run("CLIPTextEncode", clip=clip, text=text)[0][0][0] for text in texts.values()]
    )

    def draw(model, conditioning):
        inputs = bench.conditioning | {"model": model, "positive": conditioning}
        return lambda: bench.run("KSampler", **inputs, **bench.sampling, latent_image=bench.latent, denoise=1.0)

    @torch.no_grad()
    def explicit():
        import comfy.ldm.modules.attention as attention

        kept, attention.CrossAttention.forward = attention.CrossAttention.forward, explicit_attention(follow_the_source)
        try:
            model = bench.model.model
            x = layout.latents[0].to(bench.model.load_device).repeat(2, 1, 1, 1)
            for sigma, following in zip(bench.sigmas[:-1], bench.sigmas[1:], strict=True):
                bench.calls.append(1)
                levels = sigma.to(x).expand(4)
                denoised = model.apply_model(x.repeat(2, 1, 1, 1), levels, c_crossattn=both.to(x))
                guided = torch.lerp(denoised[:2], denoised[2:], 7.5)
                x = x + (x - guided) / sigma * (following - sigma)
        finally:
            attention.CrossAttention.forward = kept

    plain = draw(bench.model, positive)
    bench.compare(("plain", "plain again"), plain, plain)
    bench.compare(("plain", "CrossAttnReweight"), plain, draw(*weighted))
    bench.compare(("plain", "CrossAttnRecord"), plain, draw(watched, positive))
    bench.compare(("plain", "PromptToPrompt swap"), plain, draw(*swapped))
    bench.compare(("explicit maps, source in the batch", "PromptToPrompt swap"), explicit, draw(*swapped))


if __name__ == "__main__":
    main()
