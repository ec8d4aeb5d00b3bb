"""Networks that go frame by frame: the contract, and what their outputs say, against torch's own distributions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from wavewright.data.residual_kmeans import decoded, encoded
from wavewright.nets import frame_distributions
from wavewright.nets.frame_config import FrameLSTMConfig
from wavewright.nets.frame_distributions import GaussianMixture, Point, drawn
from wavewright.nets.frame_generator import FrameGenerator
from wavewright.nets.frame_lstm import FrameLSTM
from wavewright.nets.frame_mixture import RADIUS, FrameMixture
from wavewright.nets.frame_tokens import FrameTokens, ResidualCodes
from wavewright.nets.registry import config_of, from_config

SMALL = FrameLSTMConfig(features=12, numbers=6, heard=2, controls=3, hidden_size=8, mixtures=3, codebooks=2, tokens=5)
KINDS = (FrameLSTM, FrameMixture, FrameTokens)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("block", [1, 7, 30])
def test_blocks_make_no_difference(kind: type[FrameLSTM], block: int) -> None:
    torch.manual_seed(0)
    net: FrameGenerator = kind(SMALL)
    x = torch.randn(2, net.in_channels, 30)
    whole, last = net(x)
    assert whole.shape == (2, net.distribution.size + 1, 30)
    parts, state = [], None
    for at in range(0, 30, block):
        y, state = net(x[..., at : at + block], state)
        parts.append(y)
    assert torch.allclose(torch.cat(parts, -1), whole, atol=1e-5)
    assert state is not None
    for one, other in zip(state, last, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_heard_before_it_is_said(kind: type[FrameLSTM]) -> None:
    torch.manual_seed(0)
    net = kind(SMALL)
    x = torch.randn(1, net.in_channels, 20)
    other = x.clone()
    other[..., 12:] += 1
    one, two = net(x)[0], net(other)[0]
    assert torch.equal(one[..., :12], two[..., :12])
    assert not torch.allclose(one[..., 12:], two[..., 12:])


@pytest.mark.parametrize("kind", KINDS)
def test_settings_come_back(kind: type[FrameLSTM]) -> None:
    name, plain = config_of(kind(SMALL))
    again = from_config(name, plain)
    assert type(again) is kind
    assert config_of(again) == (name, plain)


def test_a_mixture_costs_what_torch_says() -> None:
    torch.manual_seed(1)
    mixture = GaussianMixture(numbers=4, mixtures=3)
    parameters, frames = torch.randn(5, mixture.size, 7), torch.randn(5, 4, 7)
    logits, means, logs = mixture.parts(parameters)
    expected = MixtureSameFamily(
        Categorical(logits=logits.permute(0, 2, 1)),
        Independent(Normal(means.permute(0, 3, 1, 2), logs.exp().permute(0, 3, 1, 2)), 1),
    ).log_prob(frames.transpose(1, 2))
    assert torch.allclose(mixture.cost(parameters, frames), -expected / 4, atol=1e-5)


def test_a_mixture_draws_what_it_describes() -> None:
    """One normal has nearly all the weight: mean and deviation of what is drawn are its own."""
    mixture = GaussianMixture(numbers=2, mixtures=2)
    parameters = torch.zeros(20_000, mixture.size)
    parameters[:, 1] = 12.0
    parameters[:, 2 + 2 : 2 + 4] = torch.tensor([3.0, -2.0])
    parameters[:, 2 + 4 + 2 :] = torch.tensor([-1.0, 0.5])
    torch.manual_seed(2)
    uniform, normal = torch.rand(20_000, 1), torch.randn(20_000, 2)
    _, _, logs = mixture.parts(parameters[:1])
    for temperature in (1.0, 0.5):
        found = mixture.draw(parameters, uniform, normal, temperature)
        assert torch.allclose(found.mean(0), torch.tensor([3.0, -2.0]), atol=0.05)
        assert torch.allclose(found.std(0), temperature * logs[0, 1].exp(), rtol=0.05)
    still = mixture.draw(parameters, uniform, normal, 0.0)
    assert torch.allclose(still, torch.tensor([3.0, -2.0]).expand_as(still))


def test_draws_follow_their_shares() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.2, 0.3]]))
    uniform = torch.linspace(0, 0.9999, 1000)
    counts = torch.bincount(drawn(logits.expand(1000, 3), uniform), minlength=3) / 1000
    assert torch.allclose(counts, torch.tensor([0.5, 0.2, 0.3]), atol=0.01)


def test_a_point_costs_its_squared_error() -> None:
    said, frames = torch.randn(2, 5, 3), torch.randn(2, 5, 3)
    expected = F.mse_loss(said, frames, reduction="none").mean(1)
    assert torch.allclose(Point(5).cost(said, frames), expected)


def test_codes_cost_what_their_softmaxes_say() -> None:
    torch.manual_seed(3)
    codes = ResidualCodes(numbers=4, codebooks=3, tokens=6)
    codes.books.copy_(torch.randn(3, 6, 4))
    with torch.no_grad():
        codes.links.copy_(torch.randn_like(codes.links))
    frames, parameters = torch.randn(2, 4, 5), torch.randn(2, codes.size, 5)
    found = codes.cost(parameters, frames).detach()
    chosen = encoded(codes.books.numpy(), frames.transpose(1, 2).reshape(-1, 4).numpy()).reshape(2, 5, 3)
    for row in range(2):
        for t in range(5):
            nats = 0.0
            for book in range(3):
                logits = parameters[row, book * 6 : (book + 1) * 6, t].clone()
                for before in range(book):
                    logits += codes.links.detach()[before, book, int(chosen[row, t, before])]
                nats -= float(F.log_softmax(logits, 0)[int(chosen[row, t, book])])
            assert float(found[row, t]) == pytest.approx(nats / 3, abs=1e-4)


def test_codes_draw_sums_of_their_vectors() -> None:
    torch.manual_seed(4)
    codes = ResidualCodes(numbers=4, codebooks=2, tokens=6)
    codes.books.copy_(torch.randn(2, 6, 4))
    parameters = torch.randn(50, codes.size)
    frames = codes.draw(parameters, torch.rand(50, 2), torch.zeros(50, 4), 1.0)
    sums = (codes.books[0][:, None] + codes.books[1][None]).reshape(-1, 4)
    assert float(torch.cdist(frames, sums, compute_mode="donot_use_mm_for_euclid_dist").min(1).values.max()) < 1e-5
    likeliest = codes.draw(parameters, torch.rand(50, 2), torch.zeros(50, 4), 0.0)
    expected = codes.books[0][parameters[:, :6].argmax(1)] + codes.books[1][parameters[:, 6:].argmax(1)]
    assert torch.allclose(likeliest, expected)


def of_codes() -> FrameTokens:
    torch.manual_seed(5)
    net = FrameTokens(SMALL)
    assert isinstance(net.distribution, ResidualCodes)
    net.distribution.books.copy_(torch.randn(2, 5, 6))
    return net


def test_frames_are_heard_as_their_codes_tell_them() -> None:
    net = of_codes()
    books = net.distribution.books.numpy()
    x = torch.randn(2, net.in_channels, 9)
    told = x.clone()
    for back in range(0, 12, 6):  # of two frames heard
        frames = x[:, back : back + 6].transpose(1, 2).reshape(-1, 6).numpy()
        as_codes = decoded(books, encoded(books, frames)).reshape(2, 9, 6)
        told[:, back : back + 6] = torch.from_numpy(as_codes).transpose(1, 2)
    found = net(x)[0]
    assert torch.allclose(found, FrameLSTM.forward(net, told)[0], atol=1e-6)
    assert not torch.allclose(found, FrameLSTM.forward(net, x)[0], atol=1e-3)


def test_the_nearest_code_is_the_nearest_where_it_counts() -> None:
    codes = ResidualCodes(numbers=4, codebooks=2, tokens=6)
    torch.manual_seed(6)
    codes.books.copy_(torch.randn(2, 6, 4))
    codes.weights.copy_(torch.tensor([1.0, 0.5, 0.1, 0.0]))
    frames = torch.randn(50, 4)
    for frame, chosen in zip(frames, codes.codes_of(frames), strict=True):
        left = frame
        for book, code in zip(codes.books, chosen, strict=True):
            errors = [float((codes.weights * (left - vector)).square().sum()) for vector in book]
            assert errors[int(code)] == pytest.approx(min(errors), abs=1e-5)
            left = left - book[code]


def test_a_deaf_network_of_codes_learns_nothing_of_the_frames_before() -> None:
    net = of_codes()
    net.deafen()
    x = torch.randn(2, net.in_channels, 9)
    x[:, :12] = 0
    net(x)[0].square().sum().backward()  # type: ignore[no-untyped-call]
    gradient = net.dense_in.weight.grad
    assert gradient is not None
    assert not gradient[:, :12].any()
    assert gradient[:, 12:].any()


# ── the linear path ───────────────────────────────────────────────────────────────────────────────────────────────


def straight(frames: np.ndarray, heard: int) -> FrameMixture:
    """The linear path found for a sequence ``(time, numbers)``."""
    time, numbers = frames.shape
    net = FrameMixture(FrameLSTMConfig(features=numbers, numbers=numbers, heard=heard, hidden_size=4, mixtures=1))
    padded = np.pad(frames, ((heard, 0), (0, 0)))
    before = np.concatenate([padded[heard - back : heard - back + time] for back in range(1, heard + 1)], axis=1)
    net.begin_straight(torch.from_numpy(before).float(), torch.from_numpy(frames).float())
    return net


def test_the_linear_path_finds_a_linear_law() -> None:
    turn = 0.3
    law = 0.9 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    frames, now = [], np.array([1.0, 0.0])
    dice = np.random.default_rng(0)
    for _ in range(2000):
        frames.append(now)
        now = law @ now + 0.5 * dice.standard_normal(2)
    net = straight(np.array(frames), 1)
    assert np.abs(net.straight.weight.numpy() - law).max() < 0.05


def test_the_linear_path_dies_away() -> None:
    """A sequence that grows: the path that would follow it is damped until nothing it is fed can grow."""
    t = np.arange(60)
    frames = np.stack([1.05**t * np.cos(0.4 * t), 1.05**t * np.sin(0.4 * t)], axis=1)
    net = straight(frames, 2)
    weight = net.straight.weight.numpy().astype(np.float64)
    companion = np.zeros((4, 4))
    companion[:2], companion[2:, :2] = weight, np.eye(2)
    assert np.abs(np.linalg.eigvals(companion)).max() <= RADIUS + 1e-5
    assert np.abs(np.linalg.eigvals(companion)).max() > 0.8 * RADIUS


def test_what_is_taught_has_the_gradient_of_the_likelihood_where_all_numbers_count_alike(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(frame_distributions, "EVENNESS", 0.0)
    mixture = GaussianMixture(numbers=5, mixtures=3)
    torch.manual_seed(0)
    frames = torch.randn(2, 5, 7)
    told = torch.randn(2, mixture.size, 7, requires_grad=True)
    (wanted,) = torch.autograd.grad(mixture.cost(told, frames).mean(), told)
    (found,) = torch.autograd.grad(mixture.lesson(told, frames).mean(), told)
    assert (found - wanted).abs().max() < 1e-6


def test_what_is_taught_of_a_mean_grows_with_the_deviation() -> None:
    mixture = GaussianMixture(numbers=2, mixtures=1)
    told = torch.tensor([0.0, 0.0, 0.0, math.log(0.1), math.log(1.0)])[None, :, None].requires_grad_()
    (taught,) = torch.autograd.grad(mixture.lesson(told, torch.ones(1, 2, 1)).sum(), told)
    # −(y − m) / σ² · σ^(2 · ½) / 2 numbers; the bounds of the deviations are soft
    assert taught[0, 1, 0] / taught[0, 2, 0] == pytest.approx(10, rel=0.1)


def test_what_was_missed_is_told_in_deviations_of_the_likeliest() -> None:
    mixture = GaussianMixture(numbers=2, mixtures=2)
    told = torch.tensor([0.0, 0.0, 0.0, 0.0, 8.0, 8.0, 0.0, 0.5, 1.0, -1.0])[None, :, None]
    deviations = mixture.parts(told)[2][0, :, :, 0].exp()
    for frame, nearest, away in (([9.0, 7.5], 1, [1.0, -0.5]), ([0.5, 0.0], 0, [0.5, 0.0])):
        found = mixture.missed(told, torch.tensor(frame)[None, :, None])[0, :, 0]
        assert found.tolist() == pytest.approx((torch.tensor(away) / deviations[nearest]).tolist())
