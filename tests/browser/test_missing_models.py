"""A template whose public files are missing: the page offers to download them, and none that is not public."""

from driving import load, view_details, visible
from selenium.webdriver.support.ui import WebDriverWait

GROUP = "[data-testid=error-group-missing-model]"
TEMPLATE = "harmonize_sd15_lora_controlnet"
MISSING = ["v1-5-pruned-emaonly.safetensors", "your_lora.safetensors", "control_v11p_sd15_canny_fp16.safetensors"]


def test_public_files_can_be_downloaded_and_the_users_own_cannot(page):
    load(page, TEMPLATE)
    view_details(page)
    (group,) = WebDriverWait(page, 120).until(lambda _: visible(page, GROUP))
    lines = group.text.splitlines()
    assert [line for line in lines if line.endswith(".safetensors")] == MISSING
    checkpoint, lora, control = (lines.index(name) for name in MISSING)
    downloads = [number for number, line in enumerate(lines) if line == "Download"]
    assert len(downloads) == 2 and checkpoint < downloads[0] < lora < control < downloads[1]
