"""Train with the package `neural-amp-modeler` and write down its ESR on a test pair against seconds of training.

Run by the Python of an environment that has the package (`train_twin.py` does so); nothing of wavewright is imported.
Data set, module, data loaders, checkpoints and trainer are the package's own, set up as its own training does; the
one thing added is a callback that looks on, and whose time is taken off the clock.
"""

from __future__ import annotations

import argparse
import copy
import importlib.resources
import json
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning  # type: ignore[import-not-found,unused-ignore]
import torch
from nam.data import wav_to_tensor  # type: ignore[import-not-found,unused-ignore]
from nam.train import core, full  # type: ignore[import-not-found,unused-ignore]
from nam.train.lightning_module import LightningModule  # type: ignore[import-not-found,unused-ignore]

VALIDATION = 432_000  # samples: the last nine seconds, as with the package's own training signal
LONG, SHORT = [2**i for i in range(10)], [2**i for i in range(7)]
A1_SIZES = {  # channels of both arrays, their dilations
    "a1-standard": (16, 8, LONG, LONG),
    "a1-lite": (12, 6, SHORT, [128, 256, 512, *LONG]),
    "a1-feather": (8, 4, SHORT, [128, 256, 512, *LONG]),
    "a1-nano": (4, 2, SHORT, [128, 256, 512, *LONG]),
}


def model_config(size: str) -> dict[str, Any]:
    """Network, loss, optimiser and schedule: for A1 the package's defaults before A2 came, for A2 its own file."""
    if size in A1_SIZES:
        first, second, dilations, more_dilations = A1_SIZES[size]
        arrays = [
            a1_array(1, first, dilations, second, bias=False),
            a1_array(first, second, more_dilations, 1, bias=True),
        ]
        return {
            "net": {"name": "WaveNet", "config": {"layers_configs": arrays, "head_scale": 0.02}},
            "loss": {"val_loss": "mse", "pre_emph_mrstft_weight": 2e-4, "pre_emph_mrstft_coef": 0.85},
            "optimizer": {"lr": 0.004},
            "lr_scheduler": {"class": "ExponentialLR", "kwargs": {"gamma": 0.993}},
        }
    place = importlib.resources.files("nam.train._resources").joinpath("config_model_packed.json")
    config: dict[str, Any] = json.loads(place.read_text())
    lite, full = config["net"]["config"]["submodels"]
    config["net"] = {"name": "WaveNet", "config": {"a2-lite": lite, "a2-full": full}[size]["config"]}
    return config


def a1_array(inputs: int, channels: int, dilations: list[int], head: int, *, bias: bool) -> dict[str, Any]:
    """One layer array of an A1 WaveNet."""
    return {
        "input_size": inputs,
        "condition_size": 1,
        "channels": channels,
        "kernel_size": 3,
        "dilations": dilations,
        "activation": "Tanh",
        "gated": False,
        "head": {"out_channels": head, "kernel_size": 1, "bias": bias},
    }


class Onlooker(lightning.Callback):  # type: ignore[misc,unused-ignore]
    """Every ``every`` seconds of training, appends seconds, steps and test ESR, now and best by its own validation."""

    def __init__(self, dry: torch.Tensor, wet: torch.Tensor, every: float, seconds: float, out: Path) -> None:
        self.dry, self.wet, self.every, self.limit, self.out = dry, wet, every, seconds, out
        self.looking = 0.0
        self.due = every
        self.best_loss = float("inf")
        self.best_esr: float | None = None

    def on_train_start(self, trainer: Any, module: Any) -> None:
        self.start = time.perf_counter()

    def on_validation_end(self, trainer: Any, module: Any) -> None:
        """Lightning has just validated: its best model is this one where the loss fell."""
        loss = float(trainer.callback_metrics["val_loss"])
        if not trainer.sanity_checking and loss < self.best_loss:
            self.best_loss, self.best_esr = loss, self.test(trainer, module)

    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        """One line when its moment has come; the end when time is up."""
        seconds = self.elapsed()
        if seconds < self.due:
            return
        self.due += self.every
        row = {"seconds": round(seconds, 2), "epoch": trainer.current_epoch, "step": trainer.global_step}
        row |= {"esr": self.test(trainer, module), "best_esr": self.best_esr}
        with self.out.open("a") as lines:
            lines.write(json.dumps(row) + "\n")
        print(row, flush=True)
        trainer.should_stop = seconds >= self.limit

    def elapsed(self) -> float:
        """Seconds since training began, without those of looking."""
        return time.perf_counter() - self.start - self.looking

    def test(self, trainer: Any, module: Any) -> float:
        """ESR of the present weights on the test pair, in the recording's own level."""
        began = time.perf_counter()
        training = module.training
        module.eval()
        with torch.no_grad():
            output = module.net(self.dry, pad_start=True)
        for hook in module.net.export_model_dict_post_hooks:  # the package trains on a scaled wet, and undoes it here
            output = output * hook.scale
        module.train(training)
        esr = float((output - self.wet).square().sum() / self.wet.square().sum())
        self.looking += time.perf_counter() - began
        return esr


def data_config(folder: Path) -> dict[str, Any]:
    """The aligned pair ``dry.wav``, ``wet.wav``: the end for validation, the wet brought to the package's level."""
    return {
        "train": {"ny": 8192, "stop_samples": -VALIDATION},
        "validation": {"ny": None, "start_samples": -VALIDATION, "require_input_pre_silence": None},
        "common": {"x_path": str(folder / "dry.wav"), "y_path": str(folder / "wet.wav")},
        "joint": [{"name": "nam.data.normalize_joint_dataset_output", "kwargs": {"level_rms_dbfs": -18.0}}],
    }


def main() -> None:
    """Train for the asked time; see the flags."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("folder", type=Path, help="holds dry.wav, wet.wav, test_dry.wav, test_wet.wav, mono and aligned")
    flags.add_argument("--out", type=Path, required=True, help="JSON lines are appended here")
    flags.add_argument("--size", default="a1-standard", choices=[*A1_SIZES, "a2-lite", "a2-full"])
    flags.add_argument("--seconds", type=float, required=True)
    flags.add_argument("--every", type=float, required=True)
    flags.add_argument("--threads", type=int, required=True)
    told = flags.parse_args()
    torch.set_num_threads(told.threads)
    torch.manual_seed(0)
    config = model_config(told.size)
    module = LightningModule.init_from_config(copy.deepcopy(config))
    loaders = {"train_dataloader": {"batch_size": 16, "shuffle": True, "drop_last": True, "num_workers": 0}}
    training, validation = core._get_dataloaders(data_config(told.folder), loaders | {"val_dataloader": {}}, module)
    dry, wet = (wav_to_tensor(told.folder / f"test_{name}.wav") for name in ("dry", "wet"))
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=100_000,
        default_root_dir=told.folder / "reference",
        enable_progress_bar=False,
        callbacks=[*full._create_callbacks({"trainer": {}}), Onlooker(dry, wet, told.every, told.seconds, told.out)],
    )
    trainer.fit(module, training, validation)


if __name__ == "__main__":
    main()
