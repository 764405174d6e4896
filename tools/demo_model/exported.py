"""Opens the exported file in the host: its MODEL and CLIP objects, and our autoencoder."""

import json
import sys
from pathlib import Path

import torch
from safetensors import safe_open

import network
import transformer
from autoencoder import SCALE, Autoencoder

sys.path.append(str(Path(__file__).resolve().parent.parent.parent))

from magicmix_core.layout import NoisedPath
from magicmix_core.mixing import Window, sample_mixed
from magicmix_core.nu import Nu


def read_parts(path):
    """(configuration, {part: {name: float32 tensor}}) of an exported file, by the names that the networks give their weights.

    The parts are model, cond_stage_model and first_stage_model.
    """
    with safe_open(path, "pt") as file:
        config = json.loads(file.metadata()["config"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  the file is no mapping
    parts = {}
    for key, value in tensors.items():
        part, name = key.replace("model.diffusion_model.", "model.").split(".", 1)
        name = "token_rows.weight" if name == "token_rows" else name
        parts.setdefault(part, {})[name] = value.float() if value.is_floating_point() else value
    return config, parts


class Exported:
    """The exported model, sampled through the host's own text encoding and samplers."""

    def __init__(self, path, transformer_path=None):
        """The file at `path`, with the network of the one at `transformer_path` where that is given."""
        self.config, parts = read_parts(path)
        if transformer_path is None:
            base = network.build(self.config["unet"])
        else:
            own, other = read_parts(transformer_path)
            self.config |= own
            parts |= other
            base = transformer.build(own["transformer"], own["shift"])
        self.model = self._open_network(base, parts["model"])
        self.clip = self._open_text_encoder(parts["cond_stage_model"])
        settings = {key: value for key, value in self.config["autoencoder"].items() if key != "factor"}
        self.autoencoder = Autoencoder(**settings).eval().requires_grad_(False)
        self.autoencoder.load_state_dict(parts["first_stage_model"])

    def _open_network(self, base, weights):
        import comfy.model_management
        import comfy.model_patcher

        base.diffusion_model.load_state_dict(weights)
        base.requires_grad_(False)
        devices = comfy.model_management.get_torch_device(), comfy.model_management.unet_offload_device()
        return comfy.model_patcher.ModelPatcher(base, *devices)

    def _open_text_encoder(self, weights):
        import comfy.sd
        import comfy.sd1_clip
        import comfy.supported_models_base

        rows, ids = weights.pop("token_rows.weight"), weights.pop("token_ids")
        table = rows.mean(0, keepdim=True).repeat(self.config["text_encoder"]["vocab_size"], 1)  # unknown words: the mean row
        table[ids.long()] = rows
        weights["text_model.embeddings.token_embedding.weight"] = table
        weights["text_projection.weight"] = torch.eye(rows.shape[1])
        target = comfy.supported_models_base.ClipTarget(comfy.sd1_clip.SD1Tokenizer, comfy.sd1_clip.SD1ClipModel)
        clip = comfy.sd.CLIP(target, model_options={"clip_l_model_config": self.config["text_encoder"]})
        missing, unexpected = clip.load_sd(weights)
        if missing or unexpected:
            raise ValueError(f"text encoder: missing {missing}, unexpected {unexpected}")
        return clip

    def encode(self, prompts):
        """The host's conditioning for a batch of different prompts, one per picture."""
        encoded = [self.clip.encode_from_tokens(self.clip.tokenize(prompt), return_pooled=True) for prompt in prompts]
        rows, pooled = (torch.cat(part) for part in zip(*encoded, strict=True))
        return [[rows, {"pooled_output": pooled}]]  # SD3's class asks for a pooled vector, whether its network takes one or not

    def sample(self, prompts, seeds, steps, guidance):
        """Latents [n, 4, 16, 16] in the autoencoder's units, one per prompt, by the host's euler sampler."""
        import comfy.sample

        noise = torch.stack([torch.randn(4, 16, 16, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
        texts = self.encode(prompts), self.encode([""])
        return comfy.sample.sample(
            self.model, noise, steps, guidance, "euler", "normal", *texts, torch.zeros_like(noise), seed=0, disable_pbar=True
        )

    @torch.no_grad()
    def decode(self, latents):
        """Pixels [n, 3, 128, 128] in -1..1."""
        return torch.cat([self.autoencoder.decode(part).clamp(-1, 1) for part in latents.split(16)])

    @torch.no_grad()
    def mix(self, prompts, layouts, nu, seed=1, steps=40, guidance=4.0, k_min=0.35, k_max=0.85):
        """MagicMix (arXiv 2210.16056): layout latents [n, 4, 16, 16] mixed with prompts between k_max and k_min; latents back."""
        from comfy.k_diffusion.sampling import sample_euler

        levels = self.model.model.model_sampling
        sigmas = torch.cat([levels.sigma(torch.linspace(999, 0, steps)), torch.zeros(1)])
        window = Window(*levels.sigma(torch.tensor([999 * k_max, 999 * k_min])).tolist())
        noise = torch.randn(layouts.shape[1:], generator=torch.Generator().manual_seed(seed)).expand_as(layouts)
        context = torch.cat([self.encode(prompts)[0][0], self.encode([""] * len(prompts))[0][0]])

        def denoise(x, sigma):
            with_text, without = self.model.model.apply_model(x.repeat(2, 1, 1, 1), sigma.repeat(2), c_crossattn=context).chunk(2)
            return without + guidance * (with_text - without)

        layout = NoisedPath(layouts * SCALE, lambda k: noise)
        return sample_mixed(sample_euler, denoise, layout, sigmas, window, Nu(torch.full((1, 1, 1, 1), nu)), disable=True) / SCALE
