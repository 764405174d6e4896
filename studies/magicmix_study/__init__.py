"""Studies: one ComfyUI graph, drawn for many values of its inputs, on one machine or a cluster (Ray Data)."""
