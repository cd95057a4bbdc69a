"""Codecformer: separation of continuous codec embeddings (2406.12434; with an embedding loss, Codecformer-EL)."""

from espnet_codecse.enh.separator.nac_se import NacSeSeparator


class CodecformerSeparator(NacSeSeparator):
    """Codecformer, which LatentSE's network follows, with its settings for two speakers (2406.12434, section 2).

    Args:
        input_dim: number of channels of the embedding.
        num_spk: number of speakers.
        activation: last activation of the codec's encoder: ``snake``, ``elu`` or ``leaky_relu``.
        width, num_layers, num_heads, ffn_width, dropout, normalize, output: see :class:`NacSeSeparator`.
    """

    def __init__(
        self,
        input_dim: int,
        num_spk: int = 2,
        activation: str = "snake",
        width: int = 256,
        num_layers: int = 16,
        num_heads: int = 8,
        ffn_width: int = 1024,
        dropout: float = 0.1,
        normalize: str = "none",
        output: str = "mask",
    ):
        super().__init__(
            input_dim, num_spk, activation, width, num_layers, num_heads, ffn_width, dropout, normalize, output
        )
