"""The demo model's text encoder: CLIP's architecture, small, with rows for the tokens of its own captions only.

The host's layers add in place, which autograd refuses, so training runs this forward; the parameters carry the host's names.
"""

import torch
from torch import nn
from torch.nn import functional as F

START, END = 49406, 49407  # CLIP's begin and end of text; the end also pads
POSITIONS = 77


def clip_config(width, heads, layers, hidden):
    """The configuration that the host's CLIP model reads."""
    return {
        "hidden_size": width,
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "intermediate_size": hidden,
        "hidden_act": "quick_gelu",
        "max_position_embeddings": POSITIONS,
        "eos_token_id": END,
        "layer_norm_eps": 1e-5,
        "vocab_size": 49408,
    }


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))
        for layer in (self.v_proj, self.out_proj):
            nn.init.orthogonal_(layer.weight)  # the padding reads the words from the first step on

    def forward(self, x):
        q, k, v = (f(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for f in (self.q_proj, self.k_proj, self.v_proj))
        return self.out_proj(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))


class MLP(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x):
        x = self.fc1(x)
        return self.fc2(x * torch.sigmoid(1.702 * x))


class Layer(nn.Module):
    def __init__(self, width, heads, hidden):
        super().__init__()
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attn, self.mlp = Attention(width, heads), MLP(width, hidden)

    def forward(self, x):
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class TextEncoder(nn.Module):
    """token rows [B, 77] (indices into `token_ids`) -> context [B, 77, width]."""

    def __init__(self, token_ids, width, heads, layers, hidden):
        super().__init__()
        self.register_buffer("token_ids", torch.tensor(token_ids, dtype=torch.int32))
        self.token_rows = nn.Embedding(len(token_ids), width)
        embeddings = nn.ModuleDict({"position_embedding": nn.Embedding(POSITIONS, width)})
        encoder = nn.ModuleDict({"layers": nn.ModuleList(Layer(width, heads, hidden) for _ in range(layers))})
        parts = {"embeddings": embeddings, "encoder": encoder, "final_layer_norm": nn.LayerNorm(width)}
        self.text_model = nn.ModuleDict(parts)
        self._separate_words()

    @torch.no_grad()
    def _separate_words(self):
        """Words start far apart and louder than what all prompts share, so that the UNet has something to listen to."""
        nn.init.normal_(self.token_rows.weight, std=0.7)
        nn.init.normal_(self.text_model["embeddings"]["position_embedding"].weight, std=0.03)
        for shared in (START, END):
            self.token_rows.weight[self.token_ids == shared] *= 0.1

    @torch.no_grad()
    def adopt(self, state):
        """Takes over the weights of an encoder with other token rows; tokens it did not know keep their initial rows."""
        state = dict(state)
        ids, rows = state.pop("token_ids").tolist(), state.pop("token_rows.weight")
        self.load_state_dict(state, strict=False)
        for row, token in enumerate(self.token_ids.tolist()):
            if token in ids:
                self.token_rows.weight[row] = rows[ids.index(token)]

    def forward(self, rows):
        x = self.token_rows(rows) + self.text_model["embeddings"]["position_embedding"].weight
        for layer in self.text_model["encoder"]["layers"]:
            x = layer(x)
        return self.text_model["final_layer_norm"](x)
