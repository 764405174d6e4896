"""What a run is refused for, or says of itself, before and as it begins: settings that cannot give what was meant."""

from torch import Tensor

from .edits import first_difference
from .layouts import same_path
from .recordings import Recording
from .samplers import MixingSampler
from .source_rows import SourceRows
from .wiring import CHOSEN_ANEW

ALIKE = 1e-3
"""Starting noises that differ by more, relative to their size, are not the same noise computed in another way."""


def check_sampler(run, sampler, sigmas: Tensor) -> None:
    """Refuses a sampler that cannot do what the edits need; notes what keeps them from acting as they are meant to."""
    mixing = sampler if isinstance(sampler, MixingSampler) else None
    if run.blends:
        if mixing is None:
            raise ValueError("local_blend needs the MagicMix Interpolating KSampler or the MagicMix Sampler, with the same layout")
        if not all(same_path(mixing.layout, run.edits[uuid].source.layout) for uuid in run.blends):
            raise ValueError("layout of the MagicMix sampler must be the one of Prompt-to-Prompt where local_blend is used, got another")
        if mixing.k_max < 1 or mixing.k_min > 0:
            run.notes.add(
                f"local_blend holds the rest of the picture only between k_max {mixing.k_max:g} and k_min {mixing.k_min:g}: set k_max to 1 and k_min to 0"
            )
    if mixing is not None:
        sigmas = mixing.window(run.model_sampling).executed(sigmas)
    if not run.sources or len(sigmas) < 2:
        return
    run.sigma = float(sigmas[0])
    shares = [edit.source.until for edit in run.edits.values() if edit.source is not None]
    shares += [run.features.until] if run.features is not None else []
    if not any(map(run.before, shares)) and any(shares):
        run.notes.add(
            f"the edit ends before this sampler's first step, so it changes nothing: its steps count over the whole denoising and reach to {max(shares):g}"
        )
    for source in run.sources:
        levels = source.layout.sigmas.to(sigmas)
        off = (sigmas[:-1, None] - levels).abs().amin(1) > ALIKE * sigmas[:-1]
        if bool((off & (sigmas[:-1] <= levels[0] * (1 + ALIKE))).any()):
            run.notes.add("steps or scheduler are not the layout's, so the layout is read between its own steps: set both alike")


def check_start(run, sources: list[SourceRows], x: Tensor, options: dict) -> None:
    """Notes where a run that starts at its layouts' first level starts from other noise than any of them; `x` `[B, C, H, W]` is the UNet's input."""
    if all(_starts_beside(run, source, x, options) for source in sources):
        run.notes.add(
            "sampling starts from other noise than the layout's, so the picture will not keep to it: take the layout's seed, or the MagicMix sampler at k_max 1"
        )


def _starts_beside(run, source: SourceRows, x: Tensor, options: dict) -> bool:
    if run.sigma < float(source.layout.sigmas[0]) * (1 - ALIKE):
        return False
    rows, *_ = source.inputs(x, options["sigmas"][0])
    latent = rows[:, : run.guider.inner_model.latent_format.latent_channels]
    start = x[:, : latent.shape[1]].unflatten(0, (-1, len(latent)))
    return float((start - latent).abs().amax()) > ALIKE * float(latent.abs().amax())


def where_the_text_differs(run, recording: Recording) -> str:
    """The refusal of a run whose prompts are not the recorded one."""
    contexts = [
        each["cross_attn"]
        for kind, conds in run.guider.conds.items()
        if "negative" not in kind
        for each in conds
        if each.get("cross_attn") is not None
    ]
    same = [first_difference(recording.encoding, context) for context in contexts]
    word = recording.names[max(same)] if same and max(same) < len(recording.names) else ""
    return (
        "model: its recorded text must be the prompt that is sampled, encoded by the same clip: no prompt of this run is the recorded one"
        + (f"; the nearest differs from {word!r} on" if word else "")
        + f" ({CHOSEN_ANEW})"
    )
