"""The one place that touches ComfyUI's internals: when the host moves, this package follows."""
