"""Renders layout pictures for the examples: 128 pixels, white background, from the one set under the Apache licence (Noto)."""

import logging

from classifier import Labels
from mixes import find
from pictures import load_pictures, plain_views
from settings import build_folder, read_config
from sheets import save_rows

log = logging.getLogger("layouts")


def main():
    config, folder = read_config(), build_folder()
    view = config["pictures"]
    pictures, rows = load_pictures(folder, view)
    labels, target = Labels(view), folder / "layouts"
    target.mkdir(exist_ok=True)
    for name in config["layouts"]["names"]:
        picture = plain_views(pictures, [find(rows, labels, name, "noto")], view)
        save_rows(target / f"{name.replace(' ', '_')}.png", [picture])
    log.info("%d layout pictures", len(config["layouts"]["names"]))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
