"""SpeechBrain's SepFormer in the size published for WSJ0-2mix (Subakan et al., ICASSP 2021)."""

import torch

from espnet_codecse.errors import UserError

SAMPLE_RATE = 8000  # Hz, of WSJ0-2mix; the network takes any


class Sepformer(torch.nn.Module):
    """Learned filters of 2 ms, two dual-path blocks of 8 + 8 transformer layers on chunks of 250 frames, masks.

    Args:
        num_spk: number of speakers.

    Raises:
        UserError: SpeechBrain is not installed.
    """

    def __init__(self, num_spk: int = 2):
        super().__init__()
        try:
            from speechbrain.lobes.models.dual_path import Decoder, Dual_Path_Model, Encoder, SBTransformerBlock
        except ImportError as error:
            raise UserError(
                f"sepformer needs SpeechBrain, which cannot be imported ({error}); pip install "
                "'espnet_codecse[benchmark]', or choose other --systems"
            ) from None
        inside, between = (
            SBTransformerBlock(8, 256, 8, d_ffn=1024, use_positional_encoding=True, norm_before=True) for _ in range(2)
        )
        self.num_spk = num_spk
        self.encoder = Encoder(kernel_size=16, out_channels=256)
        self.masknet = Dual_Path_Model(
            256,
            256,
            inside,
            between,
            num_layers=2,
            norm="ln",
            K=250,
            num_spks=num_spk,
            skip_around_intra=True,
            linear_layer_after_inter_intra=False,
        )
        self.decoder = Decoder(256, 1, kernel_size=16, stride=8, bias=False)

    def forward(self, mixture: torch.Tensor) -> list[torch.Tensor]:
        """Return one estimate ``(batch, sample)`` per speaker for ``mixture (batch, sample)``."""
        features = self.encoder(mixture)
        estimates = [self.decoder(features * mask) for mask in self.masknet(features)]
        num_samples = mixture.shape[1]
        return [
            torch.nn.functional.pad(speech, (0, max(0, num_samples - speech.shape[1])))[:, :num_samples]
            for speech in estimates
        ]
