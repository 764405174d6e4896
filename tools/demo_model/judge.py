"""Writes the classifier for `make figures`: its weights in half precision, and what its logits are for each concept's drawings."""

import argparse
import json
import logging
from pathlib import Path

import torch
from safetensors.torch import save_file

import classifier
from pictures import load_pictures, plain_views
from settings import build_folder, read_config

log = logging.getLogger("judge")


@torch.no_grad()
def prototypes(model, pictures, rows, labels, view, held_out_set):
    """Mean logits [concepts, concepts] over the drawings of each concept that the classifier learned from."""
    known = [i for i, row in enumerate(rows) if row["concept"] and row["set"] != held_out_set]
    logits = torch.cat([model(part)[0] for part in classifier.shrink(plain_views(pictures, known, view)).split(64)])
    concepts = torch.tensor([labels.concept(rows[i]) for i in known])
    return torch.stack([logits[concepts == number].mean(0) for number in range(len(labels.concepts))])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="where judge.safetensors is written to")
    output = parser.parse_args().output
    config, folder = read_config(), build_folder()
    view = config["pictures"]
    labels = classifier.Labels(view)
    model, accuracy = classifier.load(folder, labels)
    pictures, rows = load_pictures(folder, view)
    tensors = model.state_dict() | {"prototypes": prototypes(model, pictures, rows, labels, view, config["classifier"]["held_out_set"])}
    facts = {"concepts": [names[0] for names in labels.names], "styles": labels.styles, "accuracy": accuracy}
    tensors = {key: value.half().contiguous() for key, value in tensors.items() if value.is_floating_point()}
    save_file(tensors, output, metadata={"facts": json.dumps(facts)})
    log.info("%s: %.2f MB, %s", output.name, output.stat().st_size / 1e6, accuracy)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
