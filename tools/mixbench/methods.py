"""Ways to make an edit, all with the same weights and the same noise, through the nodes of the pack and of the host."""

from collections.abc import Callable

import torch
from cases import Case, Setting
from inprocess import load_pack, node_runner, start_host
from torch import Tensor

NUS = (0.98, 0.95, 0.9, 0.8, 0.6)
SHARES = (0.3, 0.5, 0.7)
REFINEMENTS = 2
"""Of the inversion that real pictures are mixed with."""


class CountedRows:
    """Counts the pictures that a network sees, those too that are added to a batch on the way: it looks at the embedded time steps."""

    def __init__(self, network):
        self.count = 0
        network.register_forward_pre_hook(self._see)

    def _see(self, network, arguments):
        self.count += len(arguments[0])


class Bench:
    """The demo model, or the checkpoint in a file. Pictures are `[3, side, side]` in 0..1."""

    def __init__(self, checkpoint: str | None, side: int, steps: int, cfg: float, on_cpu: bool):
        start_host(*(["--cpu", "--use-pytorch-cross-attention"] if on_cpu else []))
        load_pack()
        self.run = node_runner()
        self.model, self.clip, self.vae = load(checkpoint, self.run)
        self.side, self.steps, self.cfg = side, steps, cfg
        self.calls = CountedRows(self.model.model.diffusion_model.time_embed)
        self.empty = {"samples": torch.zeros(1, 4, side // 8, side // 8)}
        self.nothing = self.encode("")

    def encode(self, text: str) -> list:
        return self.run("CLIPTextEncode", clip=self.clip, text=text)[0]

    def decode(self, latent: dict) -> Tensor:
        return self.run("VAEDecode", vae=self.vae, samples=latent)[0][0].movedim(-1, 0).float().cpu().clamp(0, 1)

    def latent(self, picture: Tensor) -> dict:
        return self.run("VAEEncode", vae=self.vae, pixels=picture.movedim(0, -1)[None])[0]

    def sampling(self, case: Case) -> dict:
        return {"seed": case.seed, "steps": self.steps, "cfg": self.cfg, "sampler_name": "euler", "scheduler": "ddim_uniform"}

    def draw(self, case: Case, positive: list, latent: dict | None = None, denoise: float = 1.0, model=None) -> dict:
        inputs = {"model": model or self.model, "positive": positive, "negative": self.nothing, "latent_image": latent or self.empty}
        return self.run("KSampler", **inputs, **self.sampling(case), denoise=denoise)[0]

    def mix(self, case: Case, positive: list, layout, nu: float, k_max: float, k_min: float, model=None) -> dict:
        """Of an inverted picture the inversion's prompt is the negative one too, without which guidance does not give it back."""
        negative = self.encode(case.texts[0]) if case.task == "real" else self.nothing
        inputs = {"model": model or self.model, "positive": positive, "negative": negative, "layout": layout}
        return self.run("MagicMixKSampler", **inputs, **self.sampling(case), nu=nu, k_max=k_max, k_min=k_min)[0]

    def edited(self, case: Case, layout, cross: float, blend: bool, nu: float = 1.0, model=None, make_room: bool = False) -> dict:
        """Prompt-to-Prompt, with local blend where `blend`, with MagicMix below nu 1."""
        self.count_kept(layout, 1.0 if blend else cross)
        source, target = case.texts
        inputs = {
            "layout": layout,
            "source_text": source,
            "target_text": target,
            "edit": "auto",
            "local_blend": case.words if blend else "",
            "make_room": make_room,
        }
        model, positive = self.run(
            "PromptToPrompt", model=model or self.model, clip=self.clip, cross_steps=cross, self_steps=cross / 2, **inputs
        )
        return self.mix(case, positive, layout, nu, 1.0, 0.0 if blend else 0.35, model)

    def count_kept(self, layout, share: float) -> None:
        """Counts the rows of a kept layout as a run would draw them in this share of the steps if it were not kept."""
        if layout.kept:
            self.calls.count += round(self.steps * share)

    def source(self, case: Case, composed: Tensor) -> tuple:
        """(the layout, its picture): the composed picture under noise, or what the model draws of the source's text."""
        if case.task == "mix":
            latent = self.latent(composed)
            return self.run("MagicMixLayoutNoise", latent=latent, seed=case.seed, noise="shared")[0], composed
        if case.task == "real":
            return self.inverted(case, self.latent(composed), REFINEMENTS), composed
        inputs = {"model": self.model, "positive": self.encode(case.texts[0]), "negative": self.nothing, "latent": self.empty}
        layout, latent = self.run("MagicMixLayoutFromPrompt", **inputs, **self.sampling(case), keep="both")
        return layout, self.decode(latent)

    def inverted(self, case: Case, latent: dict, refinements: int):
        inputs = {"model": self.model, "positive": self.encode(case.texts[0]), "latent": latent, "steps": self.steps}
        return self.run("MagicMixLayoutInversion", **inputs, scheduler="ddim_uniform", refinements=refinements)[0]

    def alternating(self, texts: tuple[str, str]) -> list:
        """Both prompts in turn, one in each step."""
        turns = []
        for step in range(self.steps):
            (part,) = self.run(
                "ConditioningSetTimestepRange",
                conditioning=self.encode(texts[step % 2]),
                start=max(0.0, (step - 0.5) / self.steps) if step else 0.0,
                end=(step + 0.5) / self.steps if step < self.steps - 1 else 1.0,
            )
            turns += part
        return turns

    def averaged(self, texts: tuple[str, str], share: float) -> list:
        inputs = {"conditioning_to": self.encode(texts[1]), "conditioning_from": self.encode(texts[0]), "conditioning_to_strength": share}
        return self.run("ConditioningAverage", **inputs)[0]

    def settings(self, case: Case, layout, picture: Tensor) -> dict[Setting, Callable[[], dict]]:
        """What draws the edit in each way, as a latent."""
        target = self.encode(case.texts[1])
        latent = self.latent(picture)
        jobs: dict[Setting, Callable[[], dict]] = {("re-prompting", ""): lambda: self.draw(case, target)}
        for share in (0.4, 0.6, 0.8):
            jobs["img2img", f"denoise {share:g}"] = lambda share=share: self.draw(case, target, latent, share)
        if case.task != "real":
            for share in SHARES:
                jobs["averaged prompts", f"{share:g}"] = lambda share=share: self.draw(case, self.averaged(case.texts, share))
            jobs["alternating prompts", ""] = lambda: self.draw(case, self.alternating(case.texts))
        if case.task == "mix":
            for nu in (0.3, 0.5, 0.7, 0.85, 0.92, 1.0):
                jobs["MagicMix", f"nu {nu:g}"] = lambda nu=nu: self.mix(case, target, layout, nu, 0.6, 0.3)
            return jobs
        for nu in NUS:
            jobs["MagicMix", f"nu {nu:g}"] = lambda nu=nu: self.mix(case, target, layout, nu, 1.0, 0.35)
        if case.task == "real":
            for count in range(4):
                inverted = layout if count == REFINEMENTS else self.inverted(case, latent, count)
                for blend in (False, True):
                    name = "Prompt-to-Prompt + local blend" if blend else "Prompt-to-Prompt"
                    jobs[name, f"refinements {count}"] = lambda path=(inverted, count), blend=blend: self.inverted_edited(
                        case, *path, blend
                    )
            return jobs
        for cross in (0.4, 0.8, 1.0):
            for room in (False, True) if case.task != "swap" else (False,):  # a word that stands in for another has its room
                for blend in (False, True):
                    name = f"Prompt-to-Prompt{' + local blend' if blend else ''}{', make_room' if room else ''}"
                    jobs[name, f"{cross:g}, {cross / 2:g}"] = lambda cross=cross, blend=blend, room=room: self.edited(
                        case, layout, cross, blend, make_room=room
                    )
        for attention, features in ((0.25, 0.4), (0.5, 0.8), (1.0, 1.0)):
            jobs["Plug-and-Play", f"{attention:g}, {features:g}"] = lambda steps=(attention, features): self.placed(
                case, target, layout, *steps
            )
        jobs["all three", "nu 0.95; 0.8, 0.4; 0.5, 0.8"] = lambda: self.edited(
            case, layout, 0.8, False, 0.95, self.following(layout, 0.5, 0.8)
        )
        if case.task == "remove":
            for scale in (0.0, -1.0):
                jobs["re-weighting", f"{scale:g}"] = lambda scale=scale: self.reweighted(case, scale)
        return jobs

    def inverted_edited(self, case: Case, layout, refinements: int, blend: bool) -> dict:
        """Counts the inversion, which is drawn once for all edits of it."""
        self.calls.count += (1 + refinements) * self.steps
        return self.edited(case, layout, 0.8, blend)

    def placed(self, case: Case, positive: list, layout, attention: float, features: float) -> dict:
        self.count_kept(layout, max(attention, features))
        return self.mix(case, positive, layout, 1.0, 1.0, 0.35, self.following(layout, attention, features))

    def following(self, layout, attention: float, features: float):
        inputs = {"layout": layout, "attention_steps": attention, "feature_steps": features}
        return self.run("PlugAndPlayFeatures", model=self.model, **inputs)[0]

    def reweighted(self, case: Case, scale: float) -> dict:
        """The source's own prompt with the removed word made weaker, from the same noise."""
        inputs = {"model": self.model, "clip": self.clip, "text": case.texts[0], "words": case.thing.name, "scale": scale}
        model, positive = self.run("CrossAttnReweight", **inputs)
        return self.draw(case, positive, model=model)


def load(checkpoint: str | None, run: Callable[..., tuple]) -> tuple:
    """MODEL, CLIP and VAE."""
    if not checkpoint:
        return run("MagicMixDemoCheckpoint")
    import comfy.sd

    return comfy.sd.load_checkpoint_guess_config(checkpoint, output_vae=True, output_clip=True)[:3]
