"""The Keras layer beside torch's: the same numbers, saved and loaded, in a model of one's own."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from wavewright.errors import ModelFileError, SettingsError
from wavewright.formats import keras_tfilm
from wavewright.nets.audio_unet import AudioUNet, AudioUNetConfig
from wavewright.nets.tfilm import TFiLM

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
"""Of Keras 3.15 on torch beside numpy 2.4, whenever it makes an array of a tensor."""


@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> Any:
    if importlib.util.find_spec("keras") is None:
        pytest.skip("Keras is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))  # or it writes a file at home
        patch.setenv("KERAS_BACKEND", "torch")
        import keras

        return keras


def drawn(channels: int, block: int, hidden: int | None, shift: bool) -> TFiLM:
    torch.manual_seed(channels + block)
    layer = TFiLM(channels, block, hidden, shift=shift)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.5)
    return layer


SIZES = [(3, 8, None, True), (6, 5, 4, True), (4, 16, None, False), (1, 1, 7, True)]


def played(layer: Any, x: torch.Tensor) -> np.ndarray:  # type: ignore[type-arg]
    """What a Keras ``layer`` makes of ``x`` (batch, channels, time)."""
    return numbers(layer(x.mT.numpy())).transpose(0, 2, 1)


def numbers(x: Any) -> np.ndarray:  # type: ignore[type-arg]
    from keras import ops

    return np.array(ops.convert_to_numpy(x))


@pytest.mark.parametrize(("channels", "block", "hidden", "shift"), SIZES)
@pytest.mark.parametrize("time", [160, 83, 3])
def test_the_same_numbers_there_and_back(
    keras: Any, channels: int, block: int, hidden: int | None, shift: bool, time: int
) -> None:
    layer = drawn(channels, block, hidden, shift)
    x = torch.randn(2, channels, time)
    with torch.no_grad():
        wanted = layer(x).numpy()
        there = keras_tfilm.to_keras(layer)
        np.testing.assert_allclose(played(there, x), wanted, atol=1e-5)
        back = keras_tfilm.to_torch(there)
        np.testing.assert_allclose(back(x).numpy(), wanted, atol=1e-6)
    assert (back.block, back.hidden, back.shift) == (layer.block, layer.hidden, layer.shift)


def test_the_published_layer_is_this_one_without_shift(keras: Any) -> None:
    """Keras' own pooling and LSTM, times the input: what the published code does."""
    layer = keras_tfilm.TFiLM(4, shift=False)
    x = np.random.default_rng(0).standard_normal((2, 32, 6)).astype(np.float32)
    y = numbers(layer(x))
    scale = layer.rnn(keras.layers.MaxPooling1D(4)(x))
    np.testing.assert_allclose(y, x * np.repeat(numbers(scale), 4, axis=1), atol=1e-6)


def test_new_layers_begin_alike(keras: Any) -> None:
    """Open, and with first weights of one size."""
    keras.utils.set_random_seed(0)
    x = torch.randn(1, 64, 256)
    layer = keras_tfilm.TFiLM(32)
    assert float(np.abs(played(layer, x) - x.numpy()).max() / x.abs().max()) < 0.1
    scale, offset = map(numbers, layer.modulation.weights)
    w = TFiLM(64, 32).state_dict()
    assert scale.std() == pytest.approx(float(w["modulation.weight"].std()), rel=0.05)
    np.testing.assert_array_equal(offset, w["modulation.bias"])


def test_a_model_of_ones_own_learns_is_saved_and_is_loaded(keras: Any, tmp_path: Path) -> None:
    """As the document of the project shows it: an input, a TFiLM, a dense layer."""
    keras.utils.set_random_seed(0)
    inputs = keras.layers.Input(shape=(100, 50))
    hidden = keras_tfilm.TFiLM(2)(inputs)
    outputs = keras.layers.Dense(1, activation="sigmoid")(keras.layers.Flatten()(hidden))
    model = keras.models.Model(inputs=inputs, outputs=outputs)
    model.compile(optimizer="rmsprop", loss="binary_crossentropy")
    x = np.random.default_rng(0).random((2, 100, 50)).astype(np.float32)
    before = [numbers(value) for value in model.layers[1].weights]
    model.fit(x, np.array([0, 1]), epochs=2, verbose=0)
    assert all(np.abs(numbers(new) - old).max() > 0 for new, old in zip(model.layers[1].weights, before, strict=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)
    assert loaded.layers[1].get_config() == model.layers[1].get_config()


def test_any_number_of_steps(keras: Any) -> None:
    inputs = keras.layers.Input(shape=(None, 3))
    model = keras.models.Model(inputs, keras_tfilm.TFiLM(4)(inputs))
    assert model.output_shape == (None, None, 3)
    assert model(np.zeros((1, 9, 3), np.float32)).shape == (1, 9, 3)


def test_wrong_sizes_are_refused(keras: Any) -> None:
    with pytest.raises(SettingsError, match=r"block = 0.*\nhidden = -2"):
        keras_tfilm.TFiLM(0, -2)
    with pytest.raises(SettingsError, match=r"must be \(batch, steps, channels\)"):
        keras_tfilm.TFiLM(2).build((None, 4))
    with pytest.raises(SettingsError, match=r"hidden = 4 without shift"):
        keras_tfilm.TFiLM(2, 4, shift=False).build((None, None, 3))
    with pytest.raises(SettingsError, match="no weights yet"):
        keras_tfilm.to_torch(keras_tfilm.TFiLM(2))


def test_without_keras_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "keras", None)
    keras_tfilm.layer_class.cache_clear()
    with pytest.raises(ModelFileError, match=r"wavewright\[keras\]"):
        keras_tfilm.TFiLM  # noqa: B018
    with pytest.raises(AttributeError):
        keras_tfilm.Tfilm  # noqa: B018


def test_the_papers_network_built_of_kerass_own_layers(keras: Any) -> None:
    """The whole U-Net of 2019, as its code builds it, but for the blocks on the way up."""
    layers, ops = keras.layers, keras.ops
    torch.manual_seed(0)
    config = AudioUNetConfig(layers=3, filters=3, kernel_size=17, block=64, shift=False)
    net = AudioUNet(config).eval()
    nn.init.normal_(net.output.weight, std=0.1)

    def conv(x: Any, torch_conv: nn.Conv1d) -> Any:
        layer = layers.Conv1D(
            torch_conv.out_channels, torch_conv.kernel_size[0], padding="same", dilation_rate=torch_conv.dilation[0]
        )
        layer.build(x.shape)
        weights = torch_conv.weight.detach().permute(2, 1, 0).numpy(), torch_conv.bias.detach().numpy()  # type: ignore[union-attr]
        layer.set_weights(weights)
        return layer(x)

    def subpixel(x: Any) -> Any:
        batch, steps, channels = x.shape
        return ops.reshape(x, (batch, 2 * steps, channels // 2))  # Keras has the channels last: the halves alternate

    def film(x: Any, layer: TFiLM) -> Any:
        return keras_tfilm.to_keras(layer)(x)

    x = np.random.default_rng(0).standard_normal((2, 256, 1)).astype(np.float32)
    h, kept = ops.convert_to_tensor(x), []
    for number, (down, modulation) in enumerate(zip(net.down, net.down_film, strict=True)):
        h = layers.LeakyReLU(negative_slope=0.2)(layers.MaxPooling1D(2)(conv(h, down)))
        h = film(h, modulation)
        if number < config.layers:
            kept.append(h)
    for up, modulation in zip(net.up, net.up_film, strict=True):
        h = film(subpixel(layers.ReLU()(conv(h, up))), modulation)
        h = layers.Concatenate()([h, kept.pop()])
    y = numbers(subpixel(conv(h, net.output)) + torch.from_numpy(x))
    with torch.no_grad():
        wanted = net(torch.from_numpy(x).mT)[0].mT
    np.testing.assert_allclose(y, wanted, atol=1e-5)
