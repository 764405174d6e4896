"""Queues a mix for each of several values of nu, then collects the pictures.

python sweep.py --image photo.png --prompt "a robot" --nu 0.5 0.7 0.8 0.9 1 --folder sweep

For hundreds of pictures, several values at once, or several ComfyUIs, take a study (docs/studies.md): it goes on where it was cut off.
"""

import argparse
from pathlib import Path

from comfy_client import ComfyClient
from mix import main, mixing_graph, options, show_progress


def sweep(args: argparse.Namespace) -> None:
    args.folder.mkdir(parents=True, exist_ok=True)
    with ComfyClient(args.url) as client:
        image = client.upload(args.image)
        queued = [(nu, client.queue(mixing_graph(args.graph, image, args.prompt, nu))) for nu in args.nu]
        for nu, prompt_id in queued:
            (picture,) = client.pictures(client.follow(prompt_id, show_progress))
            file = args.folder / f"nu-{nu:g}.png"
            file.write_bytes(picture)
            print(file)


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--nu", type=float, nargs="+", default=[0.5, 0.7, 0.8, 0.9, 1.0], help="the values of nu")
    parser.add_argument("--folder", type=Path, default=Path("sweep"), help="where the pictures go (default: %(default)s)")
    main(sweep, parser.parse_args())
