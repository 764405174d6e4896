"""Contact sheets and the page to look through a study, in a real Chromium."""

import contextlib
import io
import itertools
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from chromium import launched_chromium
from magicmix_study.axes import Axis, Column
from magicmix_study.cli import main
from magicmix_study.rows import Cell, Table, labels, read_table, where
from magicmix_study.sheet import sheets
from magicmix_study.space import Space
from magicmix_study.store import Store
from magicmix_study.table import as_table, item_schema, row_schema
from magicmix_study.view import encoded, page_of
from PIL import Image
from playwright.sync_api import expect
from study_runs import REPOSITORY

EVIL = """<img src=x onerror="document.title='evil'"></script><script>document.title='evil'</script> & "quoted" 'x'"""
LAYOUTS = sorted((REPOSITORY / "demo_model" / "layouts").glob("*.png"))
SECONDS_TO_OPEN = 2.0


def study_folder(folder: Path, axes: dict[str, list], side: int = 64, failed: tuple[int, ...] = (), missing: tuple[int, ...] = ()) -> Store:
    """A folder as a study leaves it: each picture one of the demo's layouts, its number painted as a shade into its corner."""
    store = Store(folder)
    store.make()
    columns = [Axis((Column(name, ()),), tuple((value,) for value in values), 1) for name, values in axes.items()]
    space = Space(tuple(columns), tuple(range(len(columns))))
    motifs = [Image.open(file).convert("RGB").resize((side, side)) for file in LAYOUTS]
    rows = []
    for number in range(len(space)):
        if number in missing:
            continue
        row = {"id": f"{number:032x}", "number": number, **space.values(number), "worker": "w", "attempts": 1}
        if number in failed:
            rows.append(row | {"error": EVIL})
            continue
        path = f"pictures/{number % 100:02d}/{row['id']}.png"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        picture = motifs[number % len(motifs)].copy()
        picture.paste((number % 251, number // 251 % 251, 99), (0, 0, side // 2, side // 2))
        picture.save(folder / path, compress_level=1)
        rows.append(row | {"files": [{"node": "1", "path": path, "bytes": (folder / path).stat().st_size, "sha256": ""}]})
    pq.write_table(as_table(rows, row_schema(item_schema(space.axes))), store.results / "all.parquet")
    manifest = {"study": str(folder / "study.toml"), "columns": list(axes), "total": len(space)}
    store.write_manifest(manifest | {"again": ["magicmix-study", "run", "a study.toml", "--only"]})
    return store


def enlarged(files: list[Path], folder: Path) -> list[Path]:
    """The same pictures at 512 x 512."""
    for file in files:
        Image.open(file).convert("RGB").resize((512, 512)).save(folder / file.name)
    return [folder / file.name for file in files]


def viewed(store: Store, *more: object) -> Path:
    """The page of a study, as the command makes it."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert main(["view", str(store.folder), *map(str, more)]) == 0
    return Path(said.getvalue().strip())


@pytest.fixture(scope="module")
def browser():
    with launched_chromium() as launched:
        yield launched


@pytest.fixture(scope="module")
def small_store(tmp_path_factory):
    """Two prompts, one of them hostile, three nus, two seeds; one picture failed."""
    axes = {"prompt": ["a fox", EVIL], "nu": [0.5, 0.75, 1.0], "seed": [1, 2]}
    return study_folder(tmp_path_factory.mktemp("small"), axes, side=300, failed=(2,))


@pytest.fixture(scope="module")
def small_page(small_store):
    return viewed(small_store)


@pytest.fixture
def page(browser, small_page):
    opened = browser.new_page(viewport={"width": 1300, "height": 900})
    opened.complaints = []
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.on("console", lambda message: opened.complaints.append(message.text))
    opened.on("request", lambda request: opened.complaints.append(request.url) if not request.url.startswith(("file:", "data:")) else None)
    opened.goto(small_page.as_uri())
    opened.wait_for_selector("[data-ready]", state="attached")
    yield opened
    assert opened.title().endswith("study.toml"), "no value of the study runs as code"
    assert opened.complaints == []
    opened.close()


def shade(page, selector: str) -> list[int]:
    """The colour in the middle of the upper left quarter of a picture as it is shown."""
    return page.evaluate(
        """async selector => {
            const image = document.querySelector(selector), canvas = document.createElement("canvas")
            await image.decode()
            canvas.width = canvas.height = 4
            canvas.getContext("2d").drawImage(image, 0, 0, 4, 4)
            return [...canvas.getContext("2d").getImageData(0, 0, 1, 1).data].slice(0, 3)
        }""",
        selector,
    )


def test_the_grid_has_every_picture_under_its_values(page):
    assert page.locator(".cell").count() == 12 and page.locator("#count").inner_text() == "12 pictures"
    assert page.locator("section").count() == 2, "one for each value that is on no axis"
    page.locator("#x").select_option(label="seed")
    page.locator("#y").select_option(label="nu")
    assert [text.strip() for text in page.locator("section").first.locator(".top").all_inner_texts()] == ["seed 1", "seed 2"]
    assert [text for text in page.locator("section").first.locator(".cells .left").all_inner_texts() if text] == [
        "nu 0.5",
        "nu 0.75",
        "nu 1",
    ]


def test_axes_swap_when_one_is_chosen_twice(page):
    x, y = page.locator("#x").input_value(), page.locator("#y").input_value()
    page.locator("#x").select_option(y)
    assert (page.locator("#x").input_value(), page.locator("#y").input_value()) == (y, x)
    page.locator("#y").select_option(label="nothing")
    assert page.locator("section").count() == 6


def test_filters_and_the_search_leave_what_they_say(page):
    page.locator("#filters summary").click()
    page.locator("#filters label").filter(has_text="0.75").locator("input").uncheck()
    expect(page.locator("#count")).to_have_text("8 of 12 pictures")
    page.locator("#search").fill("a fox")
    expect(page.locator("#count")).to_have_text("4 of 12 pictures")
    page.locator("#search").fill("onerror")
    expect(page.locator("#count")).to_have_text("4 of 12 pictures")


def test_a_click_shows_the_large_picture_its_values_and_its_command(page):
    page.locator("#x").select_option(label="seed")
    page.locator("#y").select_option(label="nu")
    page.locator(".cell:not(.failed)").first.click()
    page.wait_for_function("document.querySelector('#large img').complete")
    assert page.evaluate("document.querySelector('#large img').naturalWidth") == 300, "not the small one"
    assert shade(page, "#large img")[0] < 6
    assert page.locator("#large code").inner_text() == f"magicmix-study run 'a study.toml' --only {0:032x}"
    page.keyboard.press("ArrowRight")
    assert f"{1:032x}" in page.locator("#large code").inner_text()
    page.keyboard.press("ArrowDown")
    assert f"{3:032x}" in page.locator("#large code").inner_text()
    page.keyboard.press("Escape")
    expect(page.locator("#large")).to_be_hidden()


def test_a_failure_shows_its_words(page):
    assert page.locator(".cell.failed").inner_text() == EVIL
    page.locator(".cell.failed").click()
    assert page.locator("#large .error").inner_text() == EVIL


def test_two_pictures_are_compared_with_a_slider(page):
    cells = page.locator(".cell:not(.failed)")
    cells.first.click()
    page.locator("#large .pick").click()
    cells.last.click(modifiers=["Shift"])
    page.locator("#compare").click()
    over, under = "#slider .over", "#slider .under"
    assert shade(page, over) != shade(page, under)
    clip = "getComputedStyle(document.querySelector('#slider .over')).clipPath"
    assert page.evaluate(clip) == "inset(0px 50% 0px 0px)"
    page.locator("#slider input").fill("1000")
    assert page.evaluate(clip) == "inset(0px 0% 0px 0px)"
    assert page.locator("#slider .left .differs").count() >= 1


def test_the_page_asks_for_nothing_and_names_what_may_run(small_page):
    text = small_page.read_text()
    assert "default-src &#x27;none&#x27;" in text and "unsafe" not in text
    data = text.split('<script id="data" type="application/json">')[1].split("</script>")[0]
    assert EVIL in json.loads(data)["axes"][0]["values"] and "<" not in data


def test_five_thousand_pictures_open_in_two_seconds(browser, tmp_path):
    """Of a core, on which all that the page does is counted, however busy the machine is."""
    axes = {"prompt": [f"prompt {place}" for place in range(10)], "nu": [place / 20 for place in range(20)], "seed": list(range(25))}
    motifs = [encoded(file, 128, 512) for file in enlarged(LAYOUTS[:8], tmp_path)]
    values = [dict(zip(axes, each, strict=True)) for each in itertools.product(*axes.values())]
    cells = [Cell(f"{place:032x}", value, f"{place}.png", None) for place, value in enumerate(values)]
    pictures = {cell.file: motifs[place % len(motifs)] for place, cell in enumerate(cells)}
    file = tmp_path / "view.html"
    file.write_text(page_of(Table(cells, axes), {"study": "study.toml", "again": ["magicmix-study"]}, pictures))
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    metrics = page.context.new_cdp_session(page)
    metrics.send("Performance.enable")
    page.goto(file.as_uri())
    page.wait_for_selector("[data-ready]", state="attached")
    seconds = {metric["name"]: metric["value"] for metric in metrics.send("Performance.getMetrics")["metrics"]}["ProcessTime"]
    assert page.locator("#count").inner_text() == "5000 pictures" and page.locator(".cell").count() == 5000
    assert page.locator(".cell img[src]").count() >= 40, "the first ones can be seen"
    assert 0 < seconds < SECONDS_TO_OPEN
    page.locator("section").last.scroll_into_view_if_needed()
    page.locator(".cell").last.click()
    page.wait_for_function("document.querySelector('#large img').complete")
    assert page.evaluate("document.querySelector('#large img').naturalWidth") == 512
    assert page.evaluate("document.querySelector('#large img').src").endswith(pictures[cells[-1].file][1])
    page.close()


def test_a_sheet_for_each_value_that_is_not_fixed(small_store, tmp_path):
    table = read_table(small_store)
    made = sheets(table, small_store.folder, "nu", "prompt", {}, 100, tmp_path / "sheet.png")
    assert [file.name for file in made] == ["sheet-seed-1.png", "sheet-seed-2.png"]
    (one,) = sheets(table, small_store.folder, "nu", "prompt", where(table, ["seed=2"]), 100, tmp_path / "sheet.png")
    with Image.open(one) as sheet:
        assert sheet.width == 100 + 3 * 106 + 6
        # The corner of each picture tells its number: across nu, down prompt.
        for row in range(2):
            for column in range(3):
                number = row * 6 + column * 2 + 1
                found = sheet.getpixel((100 + 6 + column * 106 + 20, sheet.height - 6 - (2 - row) * 106 + 20))
                assert found[0] == pytest.approx(number, abs=3) and found[2] == pytest.approx(99, abs=3)


def test_a_failed_and_a_missing_picture_have_their_place_on_a_sheet(tmp_path):
    store = study_folder(tmp_path, {"nu": [0.5, 1.0], "seed": [1, 2]}, failed=(0,), missing=(3,))
    (file,) = sheets(read_table(store), store.folder, "nu", "seed", {}, 80, tmp_path / "s.png")
    with Image.open(file) as sheet:
        colours = {sheet.getpixel((80 + 6 + column * 86 + 70, sheet.height - 6 - (2 - row) * 86 + 76)) for column, row in ((0, 0), (1, 1))}
    assert colours == {(232, 232, 232)}


def test_a_page_of_some_of_the_pictures(browser, small_store, tmp_path):
    file = viewed(small_store, "--where", "prompt=a fox", "--where", "nu=0.75", "--output", tmp_path / "some.html")
    page = browser.new_page()
    page.goto(file.as_uri())
    expect(page.locator("#count")).to_have_text("2 pictures")
    assert page.locator(".cell").count() == 2
    page.close()


def test_labels_are_short_where_they_stay_distinct():
    assert labels(["a/x.png", "b/y.png"]) == ["x", "y"]
    assert labels(["a/x.png", "b/x.png"]) == ["a/x.png", "b/x.png"]
    assert labels([0.1 + 0.2, 1.0]) == ["0.3", "1"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--x", "mu"], "'mu' is not varied; varied are prompt, nu, seed"),
        (["--x", "nu", "--where", "nu=3"], "--where nu=3: nu is one of 0.5, 0.75, 1"),
        (["--x", "nu", "--where", "seed=1", "--where", "seed=2"], "--where seed=2: seed is fixed already"),
        (["--x", "nu", "--y", "nu"], "the two axes must differ"),
    ],
)
def test_a_sheet_that_cannot_be_drawn_is_said(small_store, capsys, arguments, said):
    assert main(["sheet", str(small_store.folder), *arguments]) == 1
    assert capsys.readouterr().err.strip() == said


@pytest.mark.parametrize("name", ["view", "status"])
def test_a_folder_without_a_study_is_said(tmp_path, capsys, name):
    assert main([name, str(tmp_path)]) == 1
    assert str(tmp_path) in capsys.readouterr().err
