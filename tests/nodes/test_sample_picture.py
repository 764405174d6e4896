"""The pictures that come with the pack."""

import numpy as np
import pytest
import torch
from PIL import Image

from demo_model.loader import CHECKPOINT

FILES = [file for kind in ("layouts", "scenes") for file in sorted((CHECKPOINT.parent / kind).glob("*.png"))]


@pytest.fixture(scope="module")
def names(schemas):
    return schemas["MagicMixSamplePicture"].inputs[0].options


def test_every_picture_of_the_pack_can_be_chosen(names):
    assert names == [file.stem.replace("_", " ") for file in FILES] and len(names) >= 17


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_gives_the_pictures_pixels(run, file):
    (image,) = run("MagicMixSamplePicture", picture=file.stem.replace("_", " "))
    assert image.dtype == torch.float32 and image.shape[0] == 1 and image.shape[-1] == 3
    assert np.array_equal((image[0].numpy() * 255).round(), np.asarray(Image.open(file).convert("RGB")))


@pytest.mark.parametrize("name", ["../layouts/car", "car.png", "", "Pumpkin"])
def test_nothing_else_is_read(run, name):
    with pytest.raises(ValueError, match="picture must be"):
        run("MagicMixSamplePicture", picture=name)
