"""Plug-and-Play and all three doors in one run, against a plain run; and Plug-and-Play against attention maps made explicitly.

Against the plain run with the nodes' default steps, Plug-and-Play also over all steps; against the explicit run over all steps.
That one is the published code's way: the source is a row of the batch beside the two of guidance, attention makes its maps, and
the source's maps and features replace those of the others.
"""

import torch
from interleaved import Bench
from torch import Tensor
from torch.nn import Module
from words_cost import SOURCE, TARGET, RandomClip, explicit_attention


def follow_the_source(attn: Module, maps: Tensor, is_self: bool) -> None:
    """Rows: source, both of guidance."""
    if attn.follows:
        maps[1:] = maps[:1]


def main() -> None:
    bench = Bench(__doc__, pairs=3, steps=5)
    clip = RandomClip()
    target = bench.run("CLIPTextEncode", clip=clip, text=TARGET)[0]
    (layout, _) = bench.run("MagicMixLayoutFromPrompt", **bench.conditioning, **bench.sampling, latent=bench.latent)
    followed, throughout = (
        bench.run("PlugAndPlayFeatures", model=bench.model, layout=layout, attention_steps=attention, feature_steps=features)[0]
        for attention, features in ((0.5, 0.8), (1.0, 1.0))
    )
    texts = {"source_text": SOURCE, "target_text": TARGET, "edit": "swap"}
    doors, edited = bench.run("PromptToPrompt", model=followed, clip=clip, layout=layout, **texts, cross_steps=0.8, self_steps=0.4)
    prompts = torch.cat([conditioning[0][0] for conditioning in (bench.conditioning["positive"], bench.conditioning["negative"], target)])

    def draw(model, positive):
        inputs = bench.conditioning | {"model": model, "positive": positive}
        return lambda: bench.run("KSampler", **inputs, **bench.sampling, latent_image=bench.latent, denoise=1.0)

    def mix():
        inputs = bench.conditioning | {"model": doors, "positive": edited, "layout": layout, "nu": 0.5, "k_max": 1.0, "k_min": 0.0}
        return bench.run("MagicMixKSampler", **inputs, **bench.sampling)

    @torch.no_grad()
    def explicit():
        import comfy.ldm.modules.attention as attention

        model, unet = bench.model.model, bench.model.model.diffusion_model
        for name, module in unet.named_modules():
            if isinstance(module, attention.CrossAttention):
                module.follows = name.endswith("attn1") and name.startswith("output_blocks") and int(name.split(".")[1]) >= 4
        hook = unet.output_blocks[4][0].out_layers.register_forward_hook(lambda module, inputs, out: out[:1].expand_as(out))
        kept, attention.CrossAttention.forward = attention.CrossAttention.forward, explicit_attention(follow_the_source)
        try:
            x = layout.latents[0].to(bench.model.load_device)
            for source, sigma, following in zip(layout.latents, bench.sigmas[:-1], bench.sigmas[1:], strict=False):
                bench.calls.append(1)
                rows = torch.cat([source.to(x), x, x])
                _, uncond, cond = model.apply_model(rows, sigma.to(x).expand(3), c_crossattn=prompts.to(x)).split(1)
                x = x + (x - torch.lerp(uncond, cond, 7.5)) / sigma * (following - sigma)
        finally:
            attention.CrossAttention.forward = kept
            hook.remove()

    plain = draw(bench.model, target)
    bench.compare(("plain", "PlugAndPlayFeatures"), plain, draw(followed, target))
    bench.compare(("plain", "PlugAndPlayFeatures, all steps"), plain, draw(throughout, target))
    bench.compare(("plain", "all three doors"), plain, mix)
    bench.compare(("explicit maps, source in the batch", "PlugAndPlayFeatures"), explicit, draw(throughout, target))


if __name__ == "__main__":
    main()
