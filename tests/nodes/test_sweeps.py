"""Value Grid and Contact Sheet."""

import pytest
import torch


def test_a_row_of_values(run):
    assert run("ValueGrid", x_values="0:1:3") == ([0, 0.5, 1], [0, 0, 0], ["nu 0", "nu 0.5", "nu 1"], 3)


def test_a_grid_runs_row_by_row(run):
    x, y, labels, columns = run("ValueGrid", x_values="0.2, 0.8", y_values="0.3, 0.4, 0.5", x_name="nu", y_name="k_min")
    assert (x, y, columns) == ([0.2, 0.8] * 3, [0.3, 0.3, 0.4, 0.4, 0.5, 0.5], 2)
    assert labels[0] == "nu 0.2, k_min 0.3" and labels[-1] == "nu 0.8, k_min 0.5"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"x_values": ""}, "x_values must hold at least one value, got none"),
        ({"x_values": "0:1"}, "x_values: '0:1' is neither a number nor start:end:count"),
        ({"x_values": "1", "y_values": "two"}, "y_values: 'two' is neither a number nor start:end:count"),
    ],
)
def test_values_that_cannot_be_read_are_named(run, values, message):
    with pytest.raises(ValueError, match=message):
        run("ValueGrid", **values)


@pytest.fixture
def sheet(run):
    def draw(pictures, labels=(""), columns=0, title=""):
        return run("ContactSheet", images=pictures, labels=list(labels) or [""], columns=[columns], title=[title])[0]

    return draw


def flat(shade, height=200, width=200):
    return torch.full((1, height, width, 3), shade)


@pytest.mark.parametrize("count", [1, 2, 7, 36, 200])
def test_every_picture_is_on_the_sheet_once_and_in_order(sheet, count):
    """Each picture is one shade of its own; read row by row, the tiles' centres give the shades back."""
    shades = [0.1 + 0.5 * n / count for n in range(count)]
    columns = min(count, 6)
    page = sheet([flat(shade, 192, 192) for shade in shades], [f"number {n}" for n in range(count)], columns)[0]
    gap, tile, rows = 8, 192, -(-count // columns)
    assert page.shape[1] == gap + columns * (tile + gap)
    row_height = (page.shape[0] - gap) / rows
    for number, shade in enumerate(shades):
        row, column = divmod(number, columns)
        centre = page[int(gap + row * row_height + tile / 2), gap + column * (tile + gap) + tile // 2]
        assert centre.tolist() == pytest.approx([shade] * 3, abs=0.51 / 255)


def test_a_batch_is_as_good_as_a_list(sheet):
    pictures = [flat(shade) for shade in (0.1, 0.5, 0.9)]
    assert torch.equal(sheet([torch.cat(pictures)], columns=3), sheet(pictures, columns=3))


def test_zero_columns_make_it_as_square_as_possible(sheet):
    assert torch.equal(sheet([flat(0.5)] * 10), sheet([flat(0.5)] * 10, columns=4))


def test_labels_and_a_title_are_drawn(sheet):
    bare = sheet([flat(1.0)] * 2)
    labelled = sheet([flat(1.0)] * 2, ["left", "right"])
    titled = sheet([flat(1.0)] * 2, ["left", "right"], title="A title")
    assert bare.shape[1] < labelled.shape[1] < titled.shape[1]
    assert bare.min() > 0.9 and labelled.min() < 0.2
    assert (labelled[:, 210:] < 0.5).any() and (titled[:, :30] < 0.5).any()


def test_one_text_with_a_line_for_each_picture_labels_them_too(sheet):
    assert torch.equal(sheet([flat(0.5)] * 2, ["one\ntwo"]), sheet([flat(0.5)] * 2, ["one", "two"]))


def test_a_long_label_is_wrapped_below_its_own_picture(sheet):
    long = "a photograph of a lion's face in the shape of half a watermelon, nu 0.55, k_min 0.3"
    page = sheet([flat(1.0)] * 3, ["", long, ""], columns=3)[0]
    ink = (page < 0.5).any(-1).any(0).nonzero()
    assert ink.min() >= 216 - 8 and ink.max() <= 416 + 8


def test_small_pictures_are_enlarged_by_a_whole_factor(sheet):
    assert sheet([flat(0.5, 64, 64)]).shape == sheet([flat(0.5, 192, 192)]).shape
    assert sheet([flat(0.5, 64, 48)]).shape[2] == 8 + 3 * 48 + 8


def test_pictures_with_transparency_and_out_of_range_values_are_drawn(sheet):
    page = sheet([torch.full((1, 192, 192, 4), 1.5)])
    assert page.max() == 1 and page.shape[-1] == 3


def test_different_sizes_are_refused(sheet):
    with pytest.raises(ValueError, match=r"images must all have one size, got 64 x 32, 64 x 64 \(width x height\)"):
        sheet([flat(0.5, 64, 64), flat(0.5, 32, 64)])


def test_too_few_labels_are_refused(sheet):
    with pytest.raises(ValueError, match="labels must be none or one for each picture, got 2 for 3"):
        sheet([flat(0.5)] * 3, ["one", "two"])


def test_grey_pictures_are_drawn_as_grey(sheet):
    assert torch.equal(sheet([flat(0.5)[..., :1]]), sheet([flat(0.5)]))


@pytest.mark.parametrize("wrong", [torch.rand(1, 1, 8, 8, 3), torch.rand(8, 8, 3), torch.rand(1, 8, 8, 2), torch.rand(0, 8, 8, 3)])
def test_what_is_no_picture_is_refused(sheet, wrong):
    with pytest.raises(
        ValueError, match="images must be pictures .batch x height x width x channels, of which there are 1, 3 or 4., got numbers in"
    ):
        sheet([wrong])


def test_pictures_that_are_not_finite_are_refused(sheet):
    with pytest.raises(ValueError, match="images must hold finite numbers only, got 120000 of 120000"):
        sheet([flat(float("nan"))])


def test_labels_that_are_no_text_are_refused(sheet):
    with pytest.raises(ValueError, match="labels must be text, got 0.5"):
        sheet([flat(0.5)] * 2, [0.5, 1.0])


def test_a_sheet_beyond_all_measure_is_refused(sheet):
    with pytest.raises(ValueError, match="images, labels and title make a sheet of .* pixels, more than 250 million"):
        sheet([flat(0.5)], title="." + "\n" * 90_000 + ".")


def test_more_text_than_can_be_laid_out_is_refused(sheet):
    with pytest.raises(ValueError, match="labels and title must have at most 100000 characters in all, got 1000005"):
        sheet([flat(0.5)], ["label"], title="word " * 200_000)
