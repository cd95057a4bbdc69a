"""The three ways to scale embeddings."""

import pytest
import torch

from espnet_codecse.enh.separator.normalization import EmbeddingNormalization


def test_none_is_the_identity():
    embedding = torch.randn(2, 5, 3)
    assert torch.equal(EmbeddingNormalization(3, "none")(embedding)[0], embedding)


def test_global_uses_the_statistics_and_keeps_them():
    normalization = EmbeddingNormalization(3, "global")
    embedding = torch.randn(2, 50, 3) * torch.tensor([1.0, 10.0, 0.0]) + torch.tensor([5.0, 0.0, 1.0])
    normalization.set_statistics(embedding.mean((0, 1)), embedding.flatten(0, 1).std(0))
    output, scale = normalization(embedding)
    assert torch.equal(scale, normalization.std)
    assert torch.allclose(output.mean((0, 1)), torch.zeros(3), atol=1e-4)
    assert torch.allclose(output.flatten(0, 1).std(0)[:2], torch.ones(2), atol=1e-4)
    assert torch.isfinite(output).all()  # a channel that never changes
    restored = EmbeddingNormalization(3, "global")
    restored.load_state_dict(normalization.state_dict())
    assert torch.equal(restored(embedding)[0], output)


def test_utterance_takes_out_the_level():
    normalization = EmbeddingNormalization(3, "utterance")
    embedding, lengths = torch.randn(2, 8, 3), torch.tensor([8, 5])
    embedding[1, 5:] = 0
    output, scale = normalization(embedding, lengths)
    assert torch.allclose(output * scale, embedding)
    assert torch.allclose(normalization(100 * embedding, lengths)[0], output, rtol=1e-3)
    assert output[1, :5].square().mean().item() == pytest.approx(1.0, rel=1e-3)
    assert torch.allclose(normalization(embedding[1:, :5])[0], output[1:, :5], atol=1e-6)
    assert not normalization(torch.zeros(1, 4, 3))[0].any()


def test_other_modes_ignore_statistics():
    normalization = EmbeddingNormalization(3, "utterance")
    normalization.set_statistics(torch.ones(3), torch.ones(3))
    assert not normalization.state_dict()
    with pytest.raises(ValueError, match="none, global, utterance"):
        EmbeddingNormalization(3, "batch")
