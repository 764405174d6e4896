"""Layout-guided mixing for diffusion sampling, in plain torch: nothing here imports ComfyUI."""
