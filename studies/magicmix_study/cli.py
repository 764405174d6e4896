"""The command `magicmix-study`."""

import argparse
import os
import sys
from pathlib import Path
from typing import TextIO

from .problems import OptionError, StoppedError, StudyError

COUNTING_NODES = Path(__file__).with_name("counting_nodes")
OF_STARTED = ("comfy", "python", "nodes", "comfy_arg", "count", "threads", "workers")
"""Options that are for ComfyUIs which a study starts itself."""
MUCH = 500 << 20
"""Bytes of a page from which on it is said that they are many."""
DESCRIPTION = """Draws one ComfyUI graph for many values of its inputs, on one machine or many.

  magicmix-study run study.toml --out folder --comfy PATH    draw, or go on where it was cut off
  magicmix-study status folder                               how far it is, and what failed
  magicmix-study sheet folder --x nu --y layout              a labelled contact sheet
  magicmix-study view folder                                 a page to look through all of it
"""


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    errors = sys.stderr
    try:
        if options.command != "run":
            return options.work(options)
        launch, study = _launch(options), _study(options)
        options.out.mkdir(parents=True, exist_ok=True)
        terminal, errors = _set_apart(options.out / "ray.log")
        return _run(options, launch, study, terminal)
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from here", file=errors)
        return 130
    except (StudyError, OptionError) as error:
        print(error, file=errors)
    except (StoppedError, OSError) as error:
        print(error, file=errors)
        if options.command == "run":
            print("what is done stays done; the same command goes on from here", file=errors)
    except Exception as error:
        print(
            f"a fault of this program: {type(error).__name__}: {error}"
            + (f"; see {options.out / 'ray.log'}" if options.command == "run" else ""),
            file=errors,
        )
        raise
    return 1


def _set_apart(log: Path) -> tuple[TextIO, TextIO]:
    """The terminal for ourselves; whatever else this process and those that it starts print goes to `log`."""
    output, errors = (os.fdopen(os.dup(stream), "w", encoding="utf-8", buffering=1) for stream in (1, 2))
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(handle, stream)
    os.close(handle)
    return output, errors


def _run(options: argparse.Namespace, launch, study, terminal: TextIO) -> int:
    from .options import Options
    from .run import run_study

    return run_study(
        study,
        Options(
            out=options.out, folder=options.folder, launch=launch, servers=tuple(options.server), workers=options.workers,
            address=options.address, yes=options.yes, estimate_only=options.estimate, only=options.only,
            retry_failed=options.retry_failed, new_versions=options.new_versions,
        ),
        terminal,
    )  # fmt: skip


def _study(options: argparse.Namespace):
    from .study_file import load_study

    return load_study(options.study, options.folder)


def _launch(options: argparse.Namespace):
    """How to start ComfyUIs; None where they run already."""
    from .comfy_process import Launch, python_of

    if options.server:
        if useless := [f"--{name.replace('_', '-')}" for name in OF_STARTED if getattr(options, name)]:
            raise OptionError(f"{', '.join(useless)}: for ComfyUIs that a study starts, not for those that --server names")
        if len(set(options.server)) < len(options.server):
            raise OptionError("--server names a server twice")
        return None
    comfy = options.comfy or _from_environment()
    if comfy is None:
        raise OptionError("say --comfy with a ComfyUI's folder, or --server with the address of one that runs")
    comfy = comfy.resolve()
    if not (comfy / "main.py").is_file():
        raise OptionError(f"--comfy {comfy}: no main.py there, so no ComfyUI")
    if missing := [pack for pack in options.nodes if not pack.is_dir()]:
        raise OptionError(f"--nodes {missing[0]}: no such folder")
    python = str((options.python or Path(python_of(comfy))).absolute())  # not resolved: an environment's Python is a link
    packs = tuple(str(pack.resolve()) for pack in [*options.nodes, *([COUNTING_NODES] if options.count else [])])
    return Launch(str(comfy), python, packs, tuple(options.comfy_arg), threads=options.threads)


def _from_environment() -> Path | None:
    return Path(os.environ["COMFYUI_PATH"]) if os.environ.get("COMFYUI_PATH") else None


def _status(options: argparse.Namespace) -> int:
    from .status import status
    from .store import Store

    print(status(Store(options.out)))
    return 0


def _sheet(options: argparse.Namespace) -> int:
    from .rows import read_table, where
    from .sheet import sheets
    from .store import Store

    table = read_table(Store(options.out))
    output = options.output or options.out / "sheet.png"
    for file in sheets(table, options.out, options.x, options.y, where(table, options.where), options.side, output):
        print(file)
    return 0


def _view(options: argparse.Namespace) -> int:
    from .rows import only, read_table, where
    from .store import Store, write_whole
    from .view import view

    store = Store(options.out)
    table = read_table(store)
    output = options.output or options.out / "view.html"
    page = view(only(table, where(table, options.where)), store, options.small, options.large).encode()
    write_whole(output, page)
    print(output)
    if len(page) > MUCH:
        print(
            f"it has {len(page) >> 20} MB, which a browser may not open: choose pictures with --where, or take a smaller --large",
            file=sys.stderr,
        )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="magicmix-study", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    _run_options(commands.add_parser("run", help="draw a study, or go on with it"))

    status = commands.add_parser("status", help="how far a study is, and what failed")
    sheet = commands.add_parser("sheet", help="contact sheets over two of the varied values")
    view = commands.add_parser("view", help="a page to look through a study")
    for command, work in ((status, _status), (sheet, _sheet), (view, _view)):
        command.add_argument("out", type=Path, help="the study's folder")
        command.set_defaults(work=work)
    sheet.add_argument("--x", required=True, help="the varied value that changes from left to right")
    sheet.add_argument("--y", help="the one that changes from top to bottom")
    for command in (sheet, view):
        command.add_argument(
            "--where", action="append", default=[], metavar="NAME=VALUE", help="only pictures with this value; may be repeated"
        )
    sheet.add_argument("--side", type=_positive, default=128, help="the side of a picture in pixels (default: %(default)s)")
    sheet.add_argument("--output", type=Path, help="the sheet's file (default: sheet.png in the study's folder)")
    view.add_argument("--small", type=_positive, default=128, help="the side of pictures in the grid, in pixels (default: %(default)s)")
    view.add_argument("--large", type=_positive, default=512, help="the largest side of a picture that is clicked (default: %(default)s)")
    view.add_argument("--output", type=Path, help="the page's file (default: view.html in the study's folder)")
    return parser


def _run_options(run: argparse.ArgumentParser) -> None:
    run.add_argument("study", type=Path, help="the study file")
    run.add_argument(
        "--out", type=Path, required=True, help="the study's folder: pictures and table; on a cluster all machines must see it"
    )
    run.add_argument("--folder", type=Path, help="what paths in the study file are relative to (default: where the file is)")
    run.add_argument("--comfy", type=Path, help="a ComfyUI's folder: each worker starts one of its own there (default: COMFYUI_PATH)")
    run.add_argument("--python", type=Path, help="the Python that runs it (default: of the environment in that folder, or else this one)")
    run.add_argument("--nodes", type=Path, action="append", default=[], metavar="PACK", help="a folder with further nodes; may be repeated")
    run.add_argument("--comfy-arg", action="append", default=[], metavar="ARGUMENT", help="for ComfyUI itself, as in --comfy-arg=--lowvram")
    run.add_argument("--count", action="store_true", help="have the ComfyUIs count calls of the network and models loaded, for the table")
    run.add_argument("--threads", type=_positive, help="of each ComfyUI, on a CPU (default: the cores shared out)")
    run.add_argument(
        "--server", type=_address, action="append", default=[], metavar="URL",
        help="a ComfyUI that runs already, instead of --comfy; may be repeated",
    )  # fmt: skip
    run.add_argument("--workers", type=_positive, help="how many ComfyUIs to start (default: one for each GPU, or one)")
    run.add_argument("--address", help="of a Ray cluster to join (default: RAY_ADDRESS, or a local Ray of our own)")
    run.add_argument("--yes", action="store_true", help="go on after the estimate without asking")
    run.add_argument("--estimate", action="store_true", help="draw the first ten, say how long the rest takes, and stop")
    run.add_argument("--only", metavar="ID", help="draw this one picture")
    run.add_argument("--retry-failed", action="store_true", help="try again what has failed as often as it may")
    run.add_argument("--new-versions", action="store_true", help="go on though ComfyUI or another version has changed: all is drawn again")


def _address(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"must begin with http:// or https://, got {text!r}")
    return text.rstrip("/")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more, got {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
