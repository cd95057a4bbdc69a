"""The base of losses that are computed on a layer of the codec instead of on waveforms."""

from espnet2.enh.loss.criterions.abs_loss import AbsEnhLoss


class LayerLoss(AbsEnhLoss):
    """A loss whose arguments the model brings to ``layer``.

    Args:
        layer: ``continuous`` or ``quantized`` embeddings, or ``codes``.
        name: name of the value in logs.
    """

    def __init__(self, layer: str, name: str):
        super().__init__()
        self.layer = layer
        self._name = name

    @property
    def name(self) -> str:
        """Name in logs."""
        return self._name

    @property
    def only_for_test(self) -> bool:
        """Always False: the loss is used in training."""
        return False
