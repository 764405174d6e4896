"""Mixes a picture with a prompt on a running ComfyUI and saves what came out.

    pip install httpx websockets
    python mix.py --image photo.png --prompt "a robot" --nu 0.8 --output mix.png

The graph is one that comes with the pack; take it along with this file and comfy_client.py, or name one of your own (--graph).
"""

import argparse
import json
import sys
from pathlib import Path

from comfy_client import ComfyClient, Graph, GraphError, inputs_of

GRAPH = Path(__file__).resolve().parent.parent / "workflows" / "api" / "image_text.json"


def mixing_graph(file: Path, image: str, prompt: str, nu: float) -> Graph:
    """The graph in `file` with these values in it, whatever numbers its nodes have."""
    graph = json.loads(file.read_text(encoding="utf-8"))
    inputs_of(graph, "LoadImage")["image"] = image
    sampler = inputs_of(graph, "MagicMixKSampler")
    sampler["nu"] = nu
    content, _ = sampler["positive"]  # a link: the node it comes from, and which of its outputs
    graph[content]["inputs"]["text"] = prompt
    return graph


def show_progress(kind: str, data: dict) -> None:
    if kind == "progress":
        print(f"\rstep {data['value']} of {data['max']}", end="", file=sys.stderr, flush=True)
    elif kind == "execution_success":
        print(file=sys.stderr)


def mix(args: argparse.Namespace) -> None:
    with ComfyClient(args.url) as client:  # leaving it, by Ctrl-C too, stops what is still running
        graph = mixing_graph(args.graph, client.upload(args.image), args.prompt, args.nu)
        run = client.run(graph, show_progress)
        (picture,) = client.pictures(run)
    args.output.write_bytes(picture)
    print(args.output)


def options(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8188", help="where ComfyUI runs (default: %(default)s)")
    parser.add_argument("--graph", type=Path, default=GRAPH, help="a graph in API form with one MagicMixKSampler")
    parser.add_argument("--image", type=Path, required=True, help="the layout: a picture")
    parser.add_argument("--prompt", required=True, help="the content: what it becomes")
    return parser


def main(work, args: argparse.Namespace) -> None:
    """Does the work; says in one line what went wrong."""
    try:
        work(args)
    except KeyboardInterrupt:
        sys.exit("\nstopped")
    except (GraphError, OSError) as error:
        sys.exit(f"\n{error}")


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--nu", type=float, default=0.8, help="1: the prompt alone, 0: the layout alone (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("mix.png"), help="where the picture goes (default: %(default)s)")
    main(mix, parser.parse_args())
