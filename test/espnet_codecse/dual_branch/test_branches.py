"""Least squares of the two branches."""

import pytest
import torch

from espnet_codecse.dual_branch.branches import branch_scales


@pytest.mark.parametrize("level", [1.0, 1e-4])
@pytest.mark.parametrize("overlap", [0.0, 0.9])
def test_like_lstsq(level, overlap):
    torch.manual_seed(0)
    clean, noise = torch.randn(3, 500), torch.randn(3, 500)
    noise = 0.1 * (noise + overlap * clean)
    speech = 0.7 * clean - 2.0 * noise + 0.3 * torch.randn(3, 500)
    alpha, beta = branch_scales(level * speech, level * clean, level * noise)
    for item in range(3):
        matrix = torch.stack([clean[item], noise[item]], dim=1).double()
        expected = torch.linalg.lstsq(matrix, speech[item].double().unsqueeze(1)).solution.flatten()
        assert torch.cat([alpha[item], beta[item]]).double().numpy() == pytest.approx(expected.numpy(), rel=1e-4)


def test_one_branch_is_projected():
    clean = torch.randn(2, 300)
    alpha, beta = branch_scales(0.5 * clean, clean, None)
    assert alpha.flatten().tolist() == pytest.approx([0.5, 0.5], rel=1e-4)
    assert beta.abs().max() == 0


def test_gradient_is_that_of_finite_differences():
    torch.manual_seed(0)
    speech, clean, noise = (torch.randn(2, 40, dtype=torch.double, requires_grad=True) for _ in range(3))

    def scales(*signals):
        # In single precision the results are too coarse to be differenced.
        alpha, beta = branch_scales(*signals)
        return alpha.double(), beta.double()

    assert torch.autograd.gradcheck(scales, (speech, clean, noise), eps=1e-3, atol=1e-3, rtol=1e-2)


@pytest.mark.parametrize("case", ["clean", "noise", "equal", "speech", "all"])
def test_silent_and_equal_branches_are_safe(case):
    torch.manual_seed(0)
    clean, noise = torch.randn(2, 400), torch.randn(2, 400)
    speech = clean + noise
    if case in ("clean", "all"):
        clean = torch.zeros_like(clean)
    if case in ("noise", "all"):
        noise = torch.zeros_like(noise)
    if case == "equal":
        noise, speech = clean.clone(), clean.clone()
    if case in ("speech", "all"):
        speech = torch.zeros_like(speech)
    clean.requires_grad_(), noise.requires_grad_()
    alpha, beta = branch_scales(speech, clean, noise)
    residual = speech - alpha * clean - beta * noise
    residual.square().sum().backward()
    values = (alpha, beta, clean.grad, noise.grad)
    assert all(torch.isfinite(value).all() for value in values)
    if case == "equal":
        assert alpha.flatten().tolist() == pytest.approx([0.5, 0.5], rel=1e-3)
        assert residual.abs().max() < 1e-3
    if case == "clean":
        assert alpha.abs().max() == 0 and beta.sub(1).abs().max() < 0.2
    if case in ("speech", "all"):
        assert alpha.abs().max() == 0 and beta.abs().max() == 0
