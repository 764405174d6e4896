"""The judge of samples: a small network that names concept and drawing style of a 64 pixel picture.

It learns from rendered pictures of four sets; a fifth set, drawn by other hands, is held out to tell how far to trust it.
"""

import argparse
import json
import logging
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import nn
from torch.nn import functional as F

import checkpoints
from pictures import load_pictures, plain_views, random_views
from precision import autocast, pick_device
from settings import build_folder, read_concepts, read_config

log = logging.getLogger("classifier")
SIDE = 64
SHIPPED = Path(__file__).resolve().parents[1] / "figures" / "judge.safetensors"


def block(before, after, stride):
    return [nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]


class Classifier(nn.Module):
    """pixels [B, 3, 64, 64] in -1..1 -> (concept logits [B, concepts], style logits [B, styles])."""

    def __init__(self, concepts, styles, widths=(48, 96, 192, 256)):
        super().__init__()
        layers, before = block(3, widths[0], 2), widths[0]
        for width in widths[1:]:
            layers += block(before, width, 2) + block(width, width, 1)
            before = width
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2))
        self.concept, self.style = nn.Linear(before, concepts), nn.Linear(before, styles)

    def forward(self, pixels):
        features = self.features(pixels)
        return self.concept(features), self.style(features)


def shrink(pixels):
    """Pixels at the classifier's size."""
    return F.interpolate(pixels, (SIDE, SIDE), mode="area")


def roughen(pixels, rng):
    """Blurs some of the pictures and adds a little noise to all: samples are not as crisp as drawings."""
    blurred = F.interpolate(F.avg_pool2d(pixels, 2), scale_factor=2.0, mode="bilinear")
    soft = torch.from_numpy(rng.random(len(pixels))).float().view(-1, 1, 1, 1)
    pixels = torch.where(soft < 0.4, torch.lerp(pixels, blurred, soft / 0.4), pixels)
    return pixels + torch.randn_like(pixels) * torch.from_numpy(rng.uniform(0, 0.1, len(pixels))).float().view(-1, 1, 1, 1)


class Labels:
    """Numbers of all concepts, those the model was not trained on too, and of the styles a prompt can name."""

    def __init__(self, view):
        names = read_concepts()
        self.concepts = [label.lower() for label in names]
        self.names = list(names.values())
        self.styles = [style for style in view["sets"].values() if style]
        self._style_of = view["sets"]

    def concept(self, row):
        return self.concepts.index(row["label"])

    def style(self, row):
        """The style's number, -100 (which the loss ignores) for a set no prompt can name."""
        style = self._style_of[row["set"]]
        return self.styles.index(style) if style else -100


@torch.no_grad()
def ranks(model, pixels, concepts):
    """The place of the right concept among the logits (0: first), int64 [B]."""
    logits = torch.cat([model(part)[0] for part in pixels.split(64)])
    right = logits.gather(1, concepts[:, None])
    return (logits > right).sum(1)


def load(folder, labels):
    """(the judge trained here, else the one of `make figures`; its accuracies)."""
    state = checkpoints.load(folder / "classifier.pt") or _shipped(labels)
    if state["concepts"] != labels.concepts:
        raise ValueError("classifier.pt was trained on other concepts than concepts.toml has now: run classifier.py again")
    model = Classifier(len(labels.concepts), len(labels.styles))
    model.load_state_dict(state["model"])
    return model.eval(), state["accuracy"]


def _shipped(labels):
    with safe_open(SHIPPED, "pt") as file:
        facts = json.loads(file.metadata()["facts"])
        weights = {key: file.get_tensor(key).float() for key in file.keys() if key != "prototypes"}  # noqa: SIM118  the file is no mapping
    counts = {key: torch.tensor(0) for key in Classifier(1, 1).state_dict() if key.endswith("num_batches_tracked")}
    same = facts["concepts"] == [names[0] for names in labels.names]
    return {"model": weights | counts, "accuracy": facts["accuracy"], "concepts": labels.concepts if same else []}


def train(model, pictures, rows, known, labels, view, settings, device):
    concepts = torch.tensor([labels.concept(rows[i]) for i in known])
    styles = torch.tensor([labels.style(rows[i]) for i in known])
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.02)
    steps = settings["pictures"] // settings["batch"]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings["learning_rate"], steps)
    for step in range(steps):
        rng = np.random.default_rng([settings["seed"], step])
        chosen = rng.integers(len(known), size=settings["batch"])
        views = random_views(pictures, [known[i] for i in chosen], view, rng, 1.2, settings["backgrounds"], SIDE)
        with autocast(device):
            concept, style = model(roughen(views, rng).to(device))
        target, drawn = concepts[chosen].to(device), styles[chosen].to(device)
        loss = F.cross_entropy(concept.float(), target, label_smoothing=0.05)
        if (drawn >= 0).any():
            loss = loss + 0.5 * F.cross_entropy(style.float(), drawn)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            hits = (concept.argmax(1) == target).float().mean().item()
            log.info("step %d of %d: loss %.3f, right in this batch %.2f", step + 1, steps, loss.item(), hits)


def assess(model, pictures, rows, known, labels, view, settings):
    """Accuracies: the held-out set's drawings; fresh augmented views of known drawings, concept and style."""
    unseen = [i for i, row in enumerate(rows) if row["concept"] and row["set"] == settings["held_out_set"]]
    target = torch.tensor([labels.concept(rows[i]) for i in unseen])
    places = ranks(model, shrink(plain_views(pictures, unseen, view)), target)
    rng = np.random.default_rng([settings["seed"], 2**31])
    fresh = random_views(pictures, known, view, rng, 1.0, 0.0, SIDE)
    with torch.no_grad():
        concept, style = model(fresh)
    drawn = torch.tensor([labels.style(rows[i]) for i in known])
    return {
        "held-out set, top-1": (places < 1).float().mean().item(),
        "held-out set, top-5": (places < 5).float().mean().item(),
        "fresh views, top-1": (concept.argmax(1) == torch.tensor([labels.concept(rows[i]) for i in known])).float().mean().item(),
        "fresh views, style": (style.argmax(1) == drawn)[drawn >= 0].float().mean().item(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a few steps on a few pictures")
    smoke = parser.parse_args().smoke
    config, folder, device = read_config(smoke), build_folder(smoke), pick_device()
    view, settings = config["pictures"], config["classifier"]
    pictures, rows = load_pictures(folder, view)
    labels = Labels(view)
    known = [i for i, row in enumerate(rows) if row["concept"] and row["set"] != settings["held_out_set"]]
    torch.manual_seed(settings["seed"])
    model = Classifier(len(labels.concepts), len(labels.styles)).to(device)
    train(model, pictures, rows, known, labels, view, settings, device)
    model = model.cpu().eval()
    accuracy = assess(model, pictures, rows, known, labels, view, settings)
    log.info("%s", {key: round(value, 3) for key, value in accuracy.items()})
    checkpoints.save(folder / "classifier.pt", model=model.state_dict(), accuracy=accuracy, concepts=labels.concepts)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
