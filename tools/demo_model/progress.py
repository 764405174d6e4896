"""What a training does between its steps: logs, saves, draws a sheet of itself."""

import time

import numpy as np

import checkpoints


def learn_until_done(training, learn, draw, workers, log, path):
    """Calls `learn()` until the pictures of the training's settings are seen or it says to stop.

    It gives (values by name, whether to stop). Their means go into the log and into a CSV beside `path`, where the state is saved; `draw()`
    draws the sheet.
    """
    settings = training.settings
    began, stopping, recent = time.perf_counter(), False, []
    while training.pictures < settings["pictures"] and not stopping:
        values, stopping = learn()
        if workers.rank:
            continue
        recent.append(values)
        if training.step % settings["log_every"] == 0:
            means = {key: float(np.nanmean([each[key] for each in recent])) for key in values}
            recent = []
            row = {"step": training.step, "pictures": training.pictures} | means
            row |= {"learning_rate": training.rate, "seconds": time.perf_counter() - began}
            checkpoints.log_row(path.with_suffix(".csv"), row)
            log.info("%s", {key: round(value, 5) for key, value in row.items()})
        if training.step % settings["save_every"] == 0:
            training.save(path)
        if training.step % settings["sheet_every"] == 0:
            draw()
    if workers.rank == 0:
        training.save(path)
