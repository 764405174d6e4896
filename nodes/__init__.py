"""The pack's ComfyUI nodes: schemas and conversions around `magicmix_core`."""
