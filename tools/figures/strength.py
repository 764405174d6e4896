"""What `strength` of MagicMix Picture and Prompt does, measured as figures.py measures nu: a table and sheets go to out/figures/.

The curve is drawn in 20 steps, as those of figures.py, with the settings that the node has for each strength; the mixes for the README
are the node's own.
"""

import argparse
import sys
from pathlib import Path

sys.path += [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent.parent.parent)]

import numpy as np
import skimage.data
import torch
from comfy_server import PACK
from figures import OUT, PAIRS, rho, sweep
from judge import Judge
from PIL import Image
from sampling import Row, Sampler

STRENGTHS = [0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0]
LAYOUTS = PACK / "demo_model" / "layouts"
SHOWN = ["castle", "donut", "house"]
MIXES = [("donut", "frog", 0.55), ("castle", "birthday cake", 0.5), ("pumpkin", "cat", 0.55), ("photograph", "donut", 0.55)]
"""A layout, a prompt and a strength, for the picture in the README."""
LARGE = 320


def mix(sampler: Sampler, picture, prompt: str, strength: float):
    """`[3, side, side]`: what the node makes of a picture `[3, H, W]`."""
    (mixed,) = sampler.run("MagicMix", image=picture.movedim(0, -1)[None], prompt=prompt, strength=strength, seed=1)
    return mixed[0].movedim(-1, 0)


def settings_of(strength: float) -> tuple[float, float, float]:
    """nu, k_max and k_min that the node takes for a strength above 0."""
    import nodes

    graph = nodes.NODE_CLASS_MAPPINGS["MagicMix"].execute(image=torch.zeros(1, 8, 8, 3), prompt="", strength=strength, seed=1).expand
    (inputs,) = (node["inputs"] for node in graph.values() if node["class_type"] == "MagicMixKSampler")
    return inputs["nu"], inputs["k_max"], inputs["k_min"]


def photograph() -> Image.Image:
    """A cup of coffee by Rachel Michetti, CC0, as scikit-image ships it; cut to the cup."""
    return Image.fromarray(skimage.data.coffee()[20:380, 130:490])


def layout_picture(name: str) -> Image.Image:
    return photograph() if name == "photograph" else Image.open(LAYOUTS / f"{name}.png").convert("RGB")


def beside_each_other(sampler: Sampler) -> Image.Image:
    """Layouts beside their mixes, two pairs in a row, large."""
    page = Image.new("RGB", (4 * LARGE + 50, 2 * LARGE + 30), "white")
    for number, (name, content, strength) in enumerate(MIXES):
        layout = layout_picture(name)
        tensor = torch.from_numpy(np.asarray(layout) / 255).float().movedim(-1, 0)
        pixels = (mix(sampler, tensor, f"a {content}", strength).movedim(0, -1).clamp(0, 1).numpy() * 255).round().astype(np.uint8)
        left, top = 10 + (number % 2) * (2 * LARGE + 30), 10 + (number // 2) * (LARGE + 10)
        for place, picture in enumerate((layout, Image.fromarray(pixels))):
            page.paste(picture.resize((LARGE, LARGE), Image.Resampling.BICUBIC), (left + place * LARGE, top))
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=6, help="of 24; one for each layout first")
    options = parser.parse_args()
    torch.set_num_threads(1)  # the demo model is too small to gain from more
    OUT.mkdir(parents=True, exist_ok=True)
    pairs = [(layout, contents[number]) for number in range(2) for layout, contents in PAIRS.items()][: options.pairs]
    rows = [Row(LAYOUTS / f"{layout.replace(' ', '_')}.png", layout, content) for layout, content in pairs]
    sampler, judge = Sampler(rows), Judge()
    beside_each_other(sampler).save(OUT / "mixes.png")

    def draw(strength: float):
        return sampler.mix(*settings_of(strength)) if strength else sampler.layouts

    curve = sweep(STRENGTHS, draw, judge, rows, sampler.layouts)
    few = [number for number, (layout, _) in enumerate(pairs) if layout in SHOWN]
    sampler.sheet(curve.pictures[:, few], [f"strength {strength:g}" for strength in STRENGTHS]).save(OUT / "strength_sheet.png")
    measures = {name: getattr(curve, name).mean(1) for name in ("content", "layout", "structure", "colour")}
    lines = [
        f"{len(rows)} pairs",
        "",
        "| strength | content | layout | structure distance | colour distance |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {strength:g} | " + " | ".join(f"{each[n]:.3f}" for each in measures.values()) + " |" for n, strength in enumerate(STRENGTHS)
    ]
    lines += ["", "Spearman's rho: " + ", ".join(f"{name} {rho(STRENGTHS, each):+.2f}" for name, each in measures.items())]
    text = "\n".join(lines) + "\n"
    (OUT / "strength.md").write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
