"""The autoencoder is the pack's own, which it ships beside the weights: found here under the name these scripts use."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))

from demo_model.autoencoder import SCALE, Autoencoder

__all__ = ["SCALE", "Autoencoder"]
