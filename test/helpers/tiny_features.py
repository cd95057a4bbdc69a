"""Small randomly initialised sources of features, in the format of the published ones."""

import torch

from espnet_codecse.espnet_base import BEATS_CONSTANTS, beats_encoder


def save_beats(path, seed=0, **changes):
    """Write a small BEATs as Microsoft's checkpoints are: ``cfg`` and ``model``."""
    torch.manual_seed(seed)
    config = {
        "input_patch_size": 16, "embed_dim": 8, "conv_bias": False, "encoder_layers": 2, "encoder_embed_dim": 16,
        "encoder_ffn_embed_dim": 16, "encoder_attention_heads": 2, "activation_fn": "gelu", "deep_norm": True,
        "conv_pos": 8, "conv_pos_groups": 2, "relative_position_embedding": True, "num_buckets": 8, "max_distance": 16,
        "gru_rel_pos": True, "dropout": 0.0, "attention_dropout": 0.0, "finetuned_model": False,
    }  # fmt: skip
    network = beats_encoder()(input_size=1, beats_config=config)
    # Microsoft's files do not have what a release of ESPnet adds.
    weights = {name: value for name, value in network.state_dict().items() if not name.startswith(BEATS_CONSTANTS)}
    torch.save({"cfg": config, "model": {**weights, **changes}}, path)
    return f"beats:{path}"


def save_wav2vec2(folder, seed=0):
    """Write a small wav2vec 2.0 with random weights; return what ``load_features`` takes."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    torch.manual_seed(seed)
    config = Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, conv_dim=(8,) * 7,
        num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, num_feat_extract_layers=7,
    )  # fmt: skip
    Wav2Vec2Model(config).save_pretrained(folder)
    return f"transformers:{folder}"
