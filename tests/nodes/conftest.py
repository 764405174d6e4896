"""The real host in this process, the pack loaded the way it loads it, and small models with random weights."""

import pytest
import torch
from inprocess import SD15, load_pack, node_runner, pack_schemas, random_model, start_host

start_host("--cpu")

import comfy.cldm.cldm
import comfy.controlnet
import comfy.lora
import comfy.ops
import comfy.sd
import comfy.supported_models
from built_families import SETTINGS, build

SMALL = SD15 | {
    "model_channels": 32,
    "num_res_blocks": [1, 1],
    "channel_mult": [1, 2],
    "transformer_depth": [1, 1],
    "transformer_depth_output": [1, 1, 1, 1],
    "context_dim": 64,
}
EMPTY = {"samples": torch.zeros(1, 4, 8, 8)}
TINY = SMALL | {"channel_mult": [1], "num_res_blocks": [1], "transformer_depth": [1], "transformer_depth_output": [0, 0]}
TINY |= {"transformer_depth_middle": -2}  # no middle at all
AS_SDXL = {"model_channels": 64, "adm_in_channels": 2816, "num_classes": "sequential"}


@pytest.fixture(scope="session")
def run():
    """`run("NodeId", input=value, ...)`: executes a node of the host or the pack; returns its outputs."""
    load_pack()
    return node_runner()


@pytest.fixture(scope="session")
def schemas(run):
    """The pack's node schemas by node id."""
    return pack_schemas()


@pytest.fixture(scope="session")
def small_unet():
    """The configuration of the small models' UNet."""
    return SMALL


@pytest.fixture(scope="session")
def sd15():
    return random_model(comfy.supported_models.SD15, SMALL)


def heedful(model):
    """The model, heeding prompts and its own features as a trained one does."""
    for name, weight in model.model.diffusion_model.named_parameters():
        if "to_q" in name or "to_k" in name:
            weight.data *= 4
        if "attn1.to_v" in name or "out_layers.3" in name:
            weight.data *= 5
        if "attn2.to_v" in name:
            weight.data *= 40
    return model


@pytest.fixture(scope="session")
def worded():
    """An SD1.x model for the demo checkpoint's text encoder."""
    return heedful(random_model(comfy.supported_models.SD15, SMALL | {"context_dim": 128}))


@pytest.fixture(scope="session")
def worded_tiny():
    """The same with one resolution."""
    return heedful(random_model(comfy.supported_models.SD15, TINY | {"context_dim": 128}))


@pytest.fixture(scope="session")
def tiny():
    """An SD1.x model of one resolution, for long loops."""
    return random_model(comfy.supported_models.SD15, TINY)


@pytest.fixture(scope="session")
def sdxl():
    return random_model(comfy.supported_models.SDXL, SMALL | AS_SDXL)


@pytest.fixture(scope="session")
def tiny_sdxl():
    return random_model(comfy.supported_models.SDXL, TINY | AS_SDXL)


@pytest.fixture(scope="session")
def prompt():
    """`prompt(n)`: conditioning number n, as CLIP Text Encode would give it."""

    def encode(number: int):
        generator = torch.Generator().manual_seed(number)
        return [[torch.randn(1, 77, 64, generator=generator), {"pooled_output": torch.randn(1, 1280, generator=generator)}]]

    return encode


@pytest.fixture(scope="session")
def latent():
    """`latent(rows, channels, height, width)`: a LATENT of random numbers at SD1.x's scale."""

    def encode(rows=1, channels=4, height=8, width=8):
        return {"samples": torch.randn(rows, channels, height, width, generator=torch.Generator().manual_seed(3)) * 5.0}

    return encode


@pytest.fixture(scope="session")
def random_controlnet():
    """`random_controlnet(model)`: a CONTROL_NET of the model's shape with random weights."""

    def build(model):
        without = ("out_channels", "transformer_depth_output")
        config = {key: value for key, value in model.model.model_config.unet_config.items() if key not in without}
        here = {"hint_channels": 3, "dtype": torch.float32, "device": "cpu", "operations": comfy.ops.disable_weight_init}
        net = comfy.cldm.cldm.ControlNet(**config | here)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weight in net.parameters():
                weight.normal_(std=0.05, generator=generator)
        return comfy.controlnet.ControlNet(net, load_device=torch.device("cpu"), manual_cast_dtype=None)

    return build


@pytest.fixture(scope="session")
def with_lora():
    """`with_lora(model)`: the model with a random LoRA on one layer of values of its cross-attention."""

    def load(model):
        keys = comfy.lora.model_lora_keys_unet(model.model, {})
        name, key = next((lora, key) for lora, key in keys.items() if "attn2.to_v" in key and lora.startswith("lora_unet_"))
        weight = model.model.state_dict()[key]
        generator = torch.Generator().manual_seed(0)
        up, down = (torch.randn(*shape, generator=generator) * 0.3 for shape in ((weight.shape[0], 2), (2, weight.shape[1])))
        return comfy.sd.load_lora_for_models(model, None, {f"{name}.lora_up.weight": up, f"{name}.lora_down.weight": down}, 1.0, 1.0)[0]

    return load


@pytest.fixture(scope="session")
def clip(run):
    """The demo checkpoint's text encoder."""
    return run("MagicMixDemoCheckpoint")[1]


@pytest.fixture(scope="session")
def encode_by(run):
    """`encode_by(clip)(text)`: what the core's CLIP Text Encode gives."""
    return lambda clip: lambda text: run("CLIPTextEncode", clip=clip, text=text)[0]


@pytest.fixture
def encode(encode_by, clip):
    """By the test's own text encoder."""
    return encode_by(clip)


@pytest.fixture(scope="session")
def sampling():
    """The settings of every run of an edit below."""
    return {"seed": 5, "steps": 6, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal"}


@pytest.fixture(scope="session")
def layout_of(run, encode_by, clip, worded, sampling):
    """`layout_of(text, latent, model, ...)`: the recorded path of a prompt."""
    encode = encode_by(clip)

    def record(text, latent=EMPTY, model=worded, **settings):
        inputs = {"model": model, "positive": encode(text), "negative": encode(""), "latent": latent}
        return run("MagicMixLayoutFromPrompt", **inputs | sampling | settings)[0]

    return record


@pytest.fixture(scope="session")
def layout(layout_of):
    """A dog's recorded path."""
    return layout_of("a dog")


@pytest.fixture
def sample(run, encode, sampling):
    """`sample(model, positive, latent, ...)`: what the core's KSampler draws, a tensor."""

    def draw(model, positive, latent=EMPTY, negative=None, **settings):
        inputs = {"model": model, "positive": positive, "negative": negative or encode(""), "latent_image": latent, "denoise": 1.0}
        return run("KSampler", **inputs | sampling | settings)[0]["samples"]

    return draw


@pytest.fixture(scope="session")
def edit(run, clip, worded, layout_of):
    """`edit(source, target, layout, model, ...)`: a Prompt-to-Prompt edit's (MODEL, CONDITIONING)."""

    def make(source="a dog", target="a lion", layout=None, model=worded, **settings):
        inputs = {"model": model, "clip": clip, "layout": layout or layout_of(source, model=model)}
        choice = {"edit": "auto", "cross_steps": 0.8, "self_steps": 0.4} | settings
        return run("PromptToPrompt", **inputs, source_text=source, target_text=target, **choice)

    return make


@pytest.fixture(scope="session")
def reweight(run, clip, worded):
    """`reweight(text, words, scale, model)`: re-weighted words' (MODEL, CONDITIONING)."""

    def make(text, words, scale=1.0, model=worded):
        return run("CrossAttnReweight", model=model, clip=clip, text=text, words=words, scale=scale)

    return make


@pytest.fixture(scope="session")
def follow(run, worded, layout_of):
    """`follow(layout, model, ...)`: a model that takes the layout's Plug-and-Play features."""

    def make(layout=None, model=worded, **settings):
        settings = {"attention_steps": 0.5, "feature_steps": 0.8} | settings
        return run("PlugAndPlayFeatures", model=model, layout=layout or layout_of("a dog", model=model), **settings)[0]

    return make


@pytest.fixture
def unet_rows(worded):
    """The rows of each call of the UNet, as it goes."""
    rows = []
    handle = worded.model.diffusion_model.time_embed.register_forward_pre_hook(lambda module, inputs: rows.append(len(inputs[0])))
    yield rows
    handle.remove()


@pytest.fixture(scope="module")
def built(request):
    """A small model of a family of the host's, by its name; see built_families.py."""
    return build(request.param)


@pytest.fixture
def noised(run, built):
    """A layout of the family's latent."""
    return run("MagicMixLayoutNoise", latent=built.latent(), seed=5, noise="shared")[0]


@pytest.fixture
def mixed(run, built):
    """`mixed(layout, ...)`: what the family's model makes of it, a tensor."""

    def sample(layout, **settings):
        settings = built.ends() | SETTINGS | {"nu": 0.5, "k_max": 0.9, "k_min": 0.2} | settings
        return run("MagicMixKSampler", layout=layout, **settings)[0]["samples"]

    return sample
