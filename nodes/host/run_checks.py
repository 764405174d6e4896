"""What a run is refused for, or says of itself, before and as it begins: settings that cannot give what was meant."""

from torch import Tensor

from ...magicmix_core.encodings import LAYERS, first_difference, text_of
from ...magicmix_core.layout import SAME_LEVEL, check_known_at
from ...magicmix_core.steering import SteeredPrompt, Steering
from .samplers import MixingSampler
from .source_rows import SourceRows
from .wiring import CHOSEN_ANEW

SAME_NOISE = 1e-3
"""Starting noises that differ by more, relative to their size, are not the same noise computed in another way."""


def check_whole(kind: str, conditioning: dict, way: Steering) -> None:
    """Refuses a prompt, positive or negative as `kind` says, of which only a part of the picture is drawn, where that cannot be steered."""
    if way.whole and ("area" in conditioning or conditioning.get("set_area_to_bounds", False)):
        why = "maps are recorded" if way.source is None else "a layout is followed"
        raise ValueError(f"{kind} must not be limited to an area where {why}: limit it by a mask")


def check_not_joined(kind: str, conditioning: dict, way: Steering) -> None:
    """Refuses a prompt of several text encoders to which another was appended: only the first encoder's tokens were."""
    own = getattr(way, "encoding", None)
    if LAYERS in conditioning and own is not None and own.shape[1] != text_of(conditioning["cross_attn"], conditioning).shape[1]:
        raise ValueError(
            f"{kind} must be the prompt as it was encoded where a model reads it by several text encoders: Conditioning (Concat) appends what one of them has read only"
        )


def check_draws_maps(prompt: SteeredPrompt, noise: Tensor) -> None:
    """Refuses to draw maps of a video, whose frames attend to each other: latents `noise` `[B, C, T, H, W]` of several frames."""
    if prompt.draws_maps and noise.ndim == 5 and noise.shape[2] > 1:
        raise ValueError(f"latent must be one picture where maps of words are read, got {noise.shape[2]} frames")


def check_is_met(run) -> None:
    """Notes edits of which none finds its prompt in a run, and refuses recordings of which none does."""
    if any(way.carried for way in run.known) and not any(way.carried for way in run.met):
        run.notes.add(
            "the model carries an edit of a prompt that is not sampled here, so it does nothing: connect the edit's conditioning too"
        )
    required = [way for way in run.known if way.must_be_met]
    if required and not any(way in run.met for way in required):
        raise ValueError(_where_the_text_differs(run, required[-1]))


def check_sampler(run, sampler, sigmas: Tensor) -> None:
    """Refuses a sampler that cannot do what the prompts need; notes what keeps them from being steered as they are meant to."""
    mixing = sampler if isinstance(sampler, MixingSampler) else None
    if run.mixes and mixing is None:
        same = ", with the same layout" if run.blends else ""
        raise ValueError(f"model: {run.mixes[0].mixes} needs the MagicMix Interpolating KSampler or the MagicMix Sampler{same}")
    if run.blends:
        if not all(mixing.layout.same(source.layout) for source in run.blends):
            raise ValueError("layout of the MagicMix sampler must be the one of Prompt-to-Prompt where local_blend is used, got another")
        known = mixing.layout.k_max
        if mixing.k_max < known or mixing.k_min > 0:
            run.notes.add(
                f"local_blend holds the rest of the picture only between k_max {mixing.k_max:g} and k_min {mixing.k_min:g}: set k_max to {known:g} and k_min to 0"
            )
    if mixing is not None:
        sigmas = mixing.window(run.model_sampling).executed(sigmas)
    if not run.sources or len(sigmas) < 2:
        return
    shares = [prompt.until for prompt in run.all_prompts() if run.source_of(prompt) is not None]
    if any(shares) and not any(run.before(share, float(sigmas[0])) for share in shares):
        run.notes.add(
            f"the edit ends before this sampler's first step, so it changes nothing: its steps count over the whole denoising and reach to {max(shares):g}"
        )
    for source in run.sources:
        levels = source.layout.sigmas.to(sigmas)
        check_known_at(sigmas[0], levels, source.layout.k_max)
        off = (sigmas[:-1, None] - levels).abs().amin(1) > SAME_LEVEL * sigmas[:-1]
        if bool((off & (sigmas[:-1] <= levels[0] * (1 + SAME_LEVEL))).any()):
            run.notes.add("steps or scheduler are not the layout's, so the layout is read between its own steps: set both alike")


def check_start(run, sources: list[SourceRows], x: Tensor, sigma: float) -> None:
    """Notes where a run that starts at its layouts' first level starts from other noise than any of them; `x` `[B, C, H, W]` is the network's input."""
    if all(_starts_beside(run, source, x, sigma) for source in sources):
        run.notes.add(
            "sampling starts from other noise than the layout's, so the picture will not keep to it: take the layout's seed, or the MagicMix"
            f" sampler at k_max {sources[0].layout.k_max:g}"
        )


def _starts_beside(run, source: SourceRows, x: Tensor, sigma: float) -> bool:
    if sigma < float(source.layout.sigmas[0]) * (1 - SAME_LEVEL):
        return False
    latent = run.network.scaled(run.model_sampling, sigma, source.latent(x, sigma))
    start = x[:, : latent.shape[1]].unflatten(0, (-1, len(latent)))
    return float((start - latent).abs().amax()) > SAME_NOISE * float(latent.abs().amax())


def _where_the_text_differs(run, way: Steering) -> str:
    """The refusal of a run whose prompts are not the watched one."""
    contexts = [
        text_of(each["cross_attn"], each)
        for kind, conds in run.guider.conds.items()
        if "negative" not in kind
        for each in conds
        if each.get("cross_attn") is not None
    ]
    same = max((first_difference(way.encoding, context) for context in contexts), default=len(way.names))
    word = way.names[same] if same < len(way.names) else ""
    return (
        "model: the watched text must be the prompt that is sampled, encoded by the same clip: no prompt of this run is the one that is watched"
        + (f"; the nearest differs from {word!r} on" if word else "")
        + f" ({CHOSEN_ANEW})"
    )
