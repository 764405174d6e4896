"""Tables with bootstrap intervals, a picture of each task's trade, sheets, and a page that holds them all."""

import html
from pathlib import Path

import matplotlib
import numpy as np
from cases import Setting

matplotlib.use("Agg")
import matplotlib.pyplot as plt

MEASURES = {
    "content": "content",
    "kept": "kept, dB",
    "structure": "structure distance",
    "place": "in place",
    "both": "both whole",
    "balance": "balance",
    "calls": "UNet calls",
}
PLAIN, EDIT, ROOMY = ("re-prompting", ""), "Prompt-to-Prompt", "Prompt-to-Prompt, make_room"
COLOURS = plt.get_cmap("tab20").colors
EDITED = ("swap", "add", "remove", "recolour")
Row = dict[str, str | float]


def interval(values: np.ndarray, draws: int = 1000) -> tuple[float, float, float]:
    """(mean, lower and upper end of its 95 % bootstrap interval) of values, nan left out."""
    values = values[np.isfinite(values)]
    if not len(values):
        return (float("nan"),) * 3
    rng = np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(draws, len(values)))].mean(1)
    return float(values.mean()), *(float(each) for each in np.quantile(means, (0.025, 0.975)))


def settings_of(rows: list[Row]) -> dict[Setting, dict[str, np.ndarray]]:
    """(method, strength) -> measure -> values over cases, in the order in which they were first drawn."""
    found: dict[Setting, list[Row]] = {}
    for row in rows:
        found.setdefault((str(row["method"]), str(row["strength"])), []).append(row)
    return {setting: {key: np.array([float(row[key]) for row in part]) for key in (*MEASURES, "layout")} for setting, part in found.items()}


def said(key: str, values: np.ndarray) -> str:
    mean, low, high = interval(values)
    if not np.isfinite(mean):
        return ""
    digits = 0 if key == "calls" else 1 if key == "kept" else 2
    if key == "calls":
        return f"{mean:.0f}"
    return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def table(rows: list[Row]) -> str:
    lines = ["| method | strength | " + " | ".join(MEASURES.values()) + " |", "| --- |" + " --- |" * (len(MEASURES) + 1)]
    for (method, strength), values in settings_of(rows).items():
        lines.append(f"| {method} | {strength} | " + " | ".join(said(key, values[key]) for key in MEASURES) + " |")
    return "\n".join(lines)


def difference(rows: list[Row], first: Setting, second: Setting, key: str) -> str:
    """The mean difference of two settings over the cases that both drew, with its interval."""
    by = {
        setting: {row["case"]: float(row[key]) for row in rows if (row["method"], row["strength"]) == setting}
        for setting in (first, second)
    }
    shared = sorted(set(by[first]) & set(by[second]))
    mean, low, high = interval(np.array([by[first][case] - by[second][case] for case in shared]))
    return f"{mean:+.2f} [{low:+.2f}, {high:+.2f}], n = {len(shared)}"


def frontier(points: np.ndarray) -> np.ndarray:
    """Those of the points [n, 2] that no other exceeds in both, by their first coordinate."""
    best = [point for point in points if not ((points >= point).all(1) & (points > point).any(1)).any()]
    return np.array(sorted(best, key=lambda point: point[0]))


def draw_trade(task: str, rows: list[Row], file: Path) -> None:
    """Content against what is kept of the source, a line for each method, the frontier dashed."""
    across = "layout" if task == "mix" else "kept"
    figure, axis = plt.subplots(figsize=(10, 5))
    axis.margins(x=0.1)  # room for what stands to the right of points
    axis.set_prop_cycle(color=[*COLOURS[::2], *COLOURS[1::2]])
    found = settings_of(rows)
    points = np.array([[np.nanmean(values[across]), np.nanmean(values["content"])] for values in found.values()])
    for method in dict.fromkeys(method for method, _ in found):
        own = [number for number, (name, _) in enumerate(found) if name == method]
        axis.plot(*points[own].T, marker="o", ms=5, label=method)
        for number in own:
            axis.annotate(list(found)[number][1], points[number], fontsize=7, xytext=(4, 3), textcoords="offset points")
    axis.plot(*frontier(points).T, "k--", lw=1, alpha=0.5, zorder=0, label="not exceeded")
    label = "likeness to the layout" if task == "mix" else "kept outside of the edit, dB"
    axis.set(xlabel=label, ylabel="content", title=task)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1))
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    plt.close(figure)


def claims(rows: list[Row]) -> list[tuple[str, str]]:
    """The claims that the benchmark decides, as far as the rows reach."""
    of = {task: [row for row in rows if row["task"] == task] for task in dict.fromkeys(str(row["task"]) for row in rows)}
    lines: list[tuple[str, str]] = []

    def compare(task: str, first: Setting, second: Setting, *keys: str) -> None:
        names = " - ".join(f"{method} ({strength})" if strength else method for method, strength in (first, second))
        lines.extend((f"{task}: {MEASURES[key]}, {names}", difference(of[task], first, second, key)) for key in keys)

    if "mix" in of:
        ours = best(of["mix"], "MagicMix", "balance")
        for other in ("averaged prompts", "alternating prompts", "img2img"):
            theirs = best(of["mix"], other, "balance")
            compare("mix", ours, theirs, "balance", "both")
            compare("mix", nearest(of["mix"], "MagicMix", theirs, "content"), theirs, "content", "kept", "structure")
    for task in EDITED:
        if task in of:
            compare(task, (f"{EDIT} + local blend", "0.8, 0.4"), (EDIT, "0.8, 0.4"), "kept", "content")
            compare(task, nearest(of[task], EDIT, PLAIN, "content"), PLAIN, "kept", "content")
            if any(method == ROOMY for method, _ in settings_of(of[task])):
                compare(task, (ROOMY, "0.8, 0.4"), (EDIT, "0.8, 0.4"), "kept", "content")
                compare(task, nearest(of[task], ROOMY, PLAIN, "content"), PLAIN, "kept", "content")
    if "real" in of:
        compare("real", (EDIT, "refinements 2"), (EDIT, "refinements 0"), "kept", "content")
    return lines


def best(rows: list[Row], method: str, key: str) -> Setting:
    """That of the method's settings which has most of a measure."""
    own = {setting: np.nanmean(values[key]) for setting, values in settings_of(rows).items() if setting[0] == method}
    return max(own, key=own.get)


def nearest(rows: list[Row], method: str, other: Setting, key: str) -> Setting:
    """That of the method's settings which is most like `other` by a measure."""
    means = {setting: np.nanmean(values[key]) for setting, values in settings_of(rows).items()}
    return min((setting for setting in means if setting[0] == method), key=lambda setting: abs(means[setting] - means[other]))


def write(out: Path, rows: list[Row], heading: str) -> str:
    """Writes mixbench.md and page.html beside the pictures of `out`; returns the text of the former."""
    tasks = list(dict.fromkeys(str(row["task"]) for row in rows))
    parts, page = [heading], [f"<h1>mixbench</h1><p>{html.escape(heading)}</p>"]
    lines = ["| claim | difference |", "| --- | --- |", *(f"| {claim} | {difference} |" for claim, difference in claims(rows))]
    parts.append("\n".join(lines))
    page.append(as_html("\n".join(lines)))
    for task in tasks:
        part = [row for row in rows if row["task"] == task]
        draw_trade(task, part, out / f"{task}_trade.png")
        count = len({row["case"] for row in part})
        text = table(part)
        parts.append(f"## {task}, {count} scenes\n\n{text}")
        page.append(f"<h2>{task}, {count} scenes</h2><img src='{task}_trade.png'>{as_html(text)}")
        page += [f"<img src='{sheet.name}'>" for sheet in sorted(out.glob(f"{task}_sheet_*.png"))]
    style = "<style>body{font:14px sans-serif;margin:2em}table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:3px 8px}img{max-width:100%;display:block;margin:1em 0}</style>"
    (out / "page.html").write_text(f"<!doctype html><meta charset='utf-8'><title>mixbench</title>{style}{''.join(page)}")
    text = "\n\n".join(parts) + "\n"
    (out / "mixbench.md").write_text(text)
    return text


def as_html(text: str) -> str:
    rows = [line.strip("|").split("|") for line in text.splitlines()]
    cells = [
        "".join(f"<{tag}>{html.escape(cell.strip())}</{tag}>" for cell in row)
        for tag, row in (("th", rows[0]), *(("td", row) for row in rows[2:]))
    ]
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"
