"""Keeps a server no longer than the process that started it: `python guard.py FOLDER LOG COMMAND...`

The parent holds the other end of standard input. When that closes, however the parent ended, the server is killed and its
folder removed. Standard output closes when all of that is done.

It is no child of its parent for long: Ray kills the children of a worker that dies, and then nobody would see to the server.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading


def main() -> None:
    folder, log, *command = sys.argv[1:]
    if os.name == "posix":
        if os.fork():
            os._exit(0)
        os.setsid()
    try:
        with open(log, "ab") as output:
            server = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder, start_new_session=os.name == "posix"
            )
        threading.Thread(target=_end_with_parent, args=[server], daemon=True).start()
        server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _end_with_parent(server: subprocess.Popen) -> None:
    sys.stdin.buffer.read()
    with contextlib.suppress(ProcessLookupError):
        if os.name == "posix":
            os.killpg(server.pid, signal.SIGKILL)  # the server's own children too
        else:
            server.kill()


if __name__ == "__main__":
    main()
