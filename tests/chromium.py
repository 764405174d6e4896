"""The browser that tests look at pages with."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from comfy_page import CHROMIUM_ARGUMENTS
from playwright.sync_api import Browser, sync_playwright


@contextmanager
def launched_chromium() -> Iterator[Browser]:
    path = shutil.which(os.environ.get("CHROMIUM", "chromium"))
    if path is None:
        pytest.fail("this needs a Chromium: `make chromium` installs Debian's, CHROMIUM=<a browser> names another", pytrace=False)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        yield launched
        launched.close()
