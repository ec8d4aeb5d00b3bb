"""Upsample: full-band sounds teach a network to put missing bandwidth back.

Four parts, as in every job: its settings (`wavewright.jobs.upsample.settings`), its data
(`wavewright.jobs.upsample.material`), its training step here, and its way of applying the result
(`wavewright.jobs.upsample.upsampling`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from wavewright import losses
from wavewright.audio import files
from wavewright.audio.degradation import Degradation, degraded
from wavewright.audio.recording import FloatArray, Recording
from wavewright.audio.variation import FASTEST
from wavewright.data.corpus import Sound
from wavewright.data.degrade import DegradedPatches, degradation_of
from wavewright.data.split import Region
from wavewright.engine.player import Player
from wavewright.errors import DataError, SettingsError
from wavewright.jobs import runs
from wavewright.jobs.material import files_of, staged
from wavewright.jobs.runs import Begun
from wavewright.jobs.upsample.material import Material, kept_material, notes, prepare, rate_of
from wavewright.jobs.upsample.settings import JOB, STORE, UpsampleSettings, low_rate_of
from wavewright.metrics import spectral
from wavewright.nets import registry
from wavewright.nets.contract import Network
from wavewright.nets.spectral_upsampler import SpectralUpsampler
from wavewright.settings import to_mapping
from wavewright.train import model_file, transfer
from wavewright.train.loop import Outcome
from wavewright.train.loop import train as run_training
from wavewright.train.progress import Reporter
from wavewright.train.run import RunFolder, own_rank, refuse_place

VALIDATED_SECONDS = 40.0
"""How much held-out sound training listens to at each validation; `wavewright evaluate` hears all."""

PREVIEW_SECONDS = 5.0
BAND_MARGIN = 0.96
"""Of the band of a sound that was brought up to the full rate: below the slope of the filter that did it."""
KEPT_BAND = 0.8
"""Of half the low rate: up to here decimation filters take nothing away."""

FRAME_SECONDS = 0.016
SPECTRA = (2048, 512)
"""Samples of the frames whose spectra are compared where the aim is the ear: one for harmonics, one for moments."""

SPECTRUM_WORTH = 2.0
"""Of one LSD10 beside ten ESR. With less, what cannot be guessed in phase, such as an s, comes out too quiet."""

TEXTURE_ERROR = 2.0
"""Of the error that texture adds, beside the ten of what is known: it keeps the loudest noise some decibels down."""

SNR_WORTH = 0.1
"""Of the perceptual figure: what one dB of SNR is worth in LSD10."""
MOST_SNR = 40.0
"""dB, from which the perceptual figure counts downwards."""


# ── network ───────────────────────────────────────────────────────────────────────────────────────────────────────


def new_network(settings: UpsampleSettings, rate: int, low_rate: int, start: Path | None = None) -> Network:
    """The network of these settings between two rates, its first weights drawn from their seed alone.

    Or they are those of the run at ``start``.

    Raises:
        SettingsError: the network has no such size, or its training would not fit into memory; found before memory
            is taken.
        RunError, ModelFileError: nothing to start from, or a network other than that of the settings.
    """
    kind, _ = registry.NETWORKS[settings.network]
    asked: dict[str, int | float | None]
    if kind == "spectral-upsampler":
        hop = round(FRAME_SECONDS / 4 * rate)
        edge = low_rate / rate
        fixed = {"n_fft": 4 * hop, "hop": hop, "low": KEPT_BAND * edge, "high": edge}
        asked = {"channels": settings.size, "blocks": settings.layers, "texture": settings.aim == "perceptual", **fixed}
    elif kind == "audio-unet":
        asked = {"filters": settings.size, "layers": settings.layers}
        if settings.network == "tfilm-unet":
            asked["block"] = settings.pool
    else:
        asked = {"hidden": settings.size, "layers": settings.layers}
    network = runs.new_network(settings.network, settings.train.seed, **asked)
    if start is not None:
        _take_weights(network, start)
    return network


def _take_weights(network: Network, start: Path) -> None:
    """As `transfer.take_weights`; one that knows of no texture may begin one that does."""
    kind, config = registry.config_of(network)
    texture = config.get("texture") and model_file.load(transfer.model_of(start)).config.get("texture")
    if not config.get("texture") or texture:
        return transfer.take_weights(network, (kind, config), start)
    plain = registry.from_config(kind, {**config, "texture": False})
    transfer.take_weights(plain, registry.config_of(plain), start)
    network.load_state_dict(plain.state_dict(), strict=False)
    return None


# ── training step ─────────────────────────────────────────────────────────────────────────────────────────────────


class UpsampleTask:
    """What the training loop asks of this job: patches without and with their upper band, the loss, the figures."""

    goal = "distance"

    def __init__(self, network: Network, material: Material, settings: UpsampleSettings) -> None:
        self.network, self.material, self.settings = network, material, settings
        patch, self.edge = patch_of(settings, network, material.rate)
        batch = settings.batch or 8
        taken = math.ceil(patch * FASTEST**settings.vary)
        long_enough = [sound for sound in material.learned if sound.length >= taken]
        if not long_enough:
            longest = max(material.learned, key=lambda sound: sound.length)
            raise DataError(
                f"all {len(material.learned)} sounds are shorter than a patch of {taken} samples "
                f"({taken / material.rate:.3g} s): the longest is {longest.path} with {longest.length}; choose a "
                "shorter --patch, or give longer sounds"
            )
        regions = [Region(sound.start, sound.start + sound.length) for sound in long_enough]
        self.patches = DegradedPatches(
            material.corpus.track,
            regions,
            rate=material.rate,
            low_rate=material.low_rate,
            kind=settings.degrade,
            bands=[material.band(sound) for sound in long_enough],
            vary=settings.vary,
            batch=batch,
            length=patch,
            hop=settings.stride or patch // 2,
            share=settings.share,
            seed=settings.train.seed,
        )
        self.steps_per_epoch = max(1, self.patches.count // batch)
        heard = _some(material.held_out, material.rate)
        self.heard = tuple(sound for sound in heard if material.sound(sound).any())
        if not self.heard:
            raise DataError(
                f"what training would listen to is silent, the middle of {heard[0].path} for one; hold others out by "
                "--held-out-names, or by another --seed"
            )

    def batch(self, step: int, rank: int, world: int) -> tuple[Tensor, ...]:
        """Patches ``(batch, 1, patch)`` as a low rate leaves them, and as they were; and how far up each goes."""
        return self.patches.batch(step, rank, world)

    def loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Relative squared error; where the aim is the ear, also with the texture, and the distance of its spectra."""
        low, full, band = batch
        if isinstance(self.network, SpectralUpsampler):
            known, whole = self.network.known_and_whole(low)
        else:
            known = whole = self.network(low, None)[0]
        if bool((band < 1).any()):
            known, whole, full = (_up_to(x, band) for x in (known, whole, full))
        inside = slice(self.edge, full.shape[-1] - self.edge)
        known, whole, full = (x[..., inside] for x in (known, whole, full))
        error = 10 * losses.levelled_esr(known, full)
        if self.settings.aim == "fidelity":
            return error
        spectra = [losses.log_spectral_distance(whole, full, n_fft, n_fft // 4) for n_fft in SPECTRA]
        heard = TEXTURE_ERROR * losses.levelled_esr(whole, full) + SPECTRUM_WORTH * torch.stack(spectra).mean()
        return error + heard

    def validate(self) -> dict[str, float]:
        """SNR and LSD10 over held-out sounds, and the ``distance`` that the aim makes of them.

        Fidelity: error energy over signal energy. Perceptual: LSD10, and a tenth for each dB of SNR below `MOST_SNR`.
        """
        snr, lsd10 = [], []
        for number, sound in enumerate(self.heard):
            full = np.array(self.material.sound(sound))
            low = degraded(full, self.material.rate, self.material.low_rate, self._degradation(number))
            y = play(self.network, low)
            if self.material.band(sound) < 1:
                y, full = (_up_to_band(x, self.material.band(sound)) for x in (y, full))
            snr.append(10 * np.log10(np.square(full).sum() / max(float(np.square(full - y).sum()), 1e-12)))
            lsd10.append(spectral.lsd10(y, full))
        figures = {"snr": float(np.mean(snr)), "lsd10": float(np.mean(lsd10))}
        distance = 10 ** (-figures["snr"] / 10)
        if self.settings.aim == "perceptual":
            distance = figures["lsd10"] + SNR_WORTH * max(0.0, MOST_SNR - figures["snr"])
        return {"distance": distance, **figures}

    def words(self, figures: Mapping[str, float]) -> str:
        """What progress tells of a validation."""
        return f"SNR {figures['snr']:.2f} dB, LSD10 {figures['lsd10']:.3f}"

    def _degradation(self, number: int) -> Degradation:
        return degradation_of(self.settings.degrade, [self.settings.train.seed, 0xE7A1, number])

    def preview(self, path: Path) -> None:
        """A held-out sound, its band lost and put back."""
        full = np.array(self.material.sound(self.heard[0]))[: round(PREVIEW_SECONDS * self.material.rate)]
        low = degraded(full, self.material.rate, self.material.low_rate, self._degradation(0))
        files.write(path, Recording(play(self.network, low)[np.newaxis], self.material.rate), force=True)


def patch_of(settings: UpsampleSettings, network: Network, rate: int) -> tuple[int, int]:
    """Samples of a patch, and of its two ends, which silence around it spoils: nothing is learned from them.

    Raises:
        SettingsError: a patch too short for what the aim compares.
    """
    spectral_net = settings.network == "spectral-upsampler"
    patch = settings.patch or (round(1.024 * rate) if spectral_net else 8_192)
    patch = -(-patch // network.multiple) * network.multiple
    edge = min(patch // 8, round(0.05 * rate))
    if settings.aim == "perceptual" and patch - 2 * edge < max(SPECTRA):
        raise SettingsError(
            [
                f"setting patch = {patch}: too short to compare spectra of {max(SPECTRA)} samples within it; "
                f"choose at least {2 * max(SPECTRA)}, or --aim fidelity"
            ]
        )
    return patch, edge


def _up_to_band(x: FloatArray, band: float) -> FloatArray:
    return np.asarray(_up_to(torch.from_numpy(x).view(1, 1, -1), torch.full((1, 1, 1), band))[0, 0])


def _up_to(x: Tensor, band: Tensor) -> Tensor:
    """``x`` (batch, 1, time) without what lies above each one's ``band`` (batch, 1, 1), a share of half the rate."""
    X = torch.fft.rfft(x)
    places = torch.linspace(0, 1, X.shape[-1], device=x.device)
    kept: Tensor = torch.fft.irfft(X * (places <= BAND_MARGIN * band), x.shape[-1])
    return kept


def play(network: Network, low: FloatArray) -> FloatArray:
    """What ``network`` makes of a sound ``(time,)`` at the full rate whose band is missing."""
    player = Player(network)
    out = np.concatenate([player.process(low[np.newaxis]), player.flush()], axis=1)
    return out[0, player.latency :]


def _some(sounds: Sequence[Sound], rate: int) -> tuple[Sound, ...]:
    """Sounds from all over the list, `VALIDATED_SECONDS` of them together; of longer ones their middle."""
    total = sum(sound.length for sound in sounds)
    count = max(1, round(min(1.0, VALIDATED_SECONDS * rate / max(1, total)) * len(sounds)))
    chosen = [sounds[index] for index in np.linspace(0, len(sounds) - 1, count).round().astype(int)]
    most = round(max(VALIDATED_SECONDS / count, VALIDATED_SECONDS / 10) * rate)
    return tuple(
        replace(sound, start=sound.start + max(0, sound.length - most) // 2, length=min(sound.length, most))
        for sound in chosen
    )


# ── a run, from its beginning or from where it stopped ────────────────────────────────────────────────────────────


def begin(
    sources: Sequence[Path],
    folder: Path,
    settings: UpsampleSettings,
    reporter: Reporter,
    *,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Begun[UpsampleTask]:
    """Lay down the sounds in ``sources`` (files, folders, or a store) in a new run at ``folder``.

    Raises:
        WavewrightError: whatever is wrong with settings, sounds or folder.
    """
    runs.refuse_settings(settings)
    refuse_place(folder, force=force)
    start = None if settings.start_from is None else Path(settings.start_from)
    if start is not None:
        transfer.model_of(start)
    rate = rate_of(sources, settings)
    network = new_network(settings, rate, low_rate_of(settings, rate), start)  # refused before an hour is converted
    patch_of(settings, network, rate)
    with staged(folder) as place:
        material = prepare(sources, place, settings, progress)
        reporter.say(
            f"{len(material.corpus.sounds)} sounds, {material.corpus.seconds:.1f} s at {material.rate} Hz; "
            f"{len(material.held_out)} of them are held out; from {material.low_rate} Hz"
        )
        for note in notes(material):
            reporter.say(f"note: {note}")
        task = UpsampleTask(network, material, settings)
        run = RunFolder.create(
            folder,
            job=JOB,
            settings=to_mapping(settings),
            network=registry.config_of(network),
            rate=material.rate,
            data=files_of(sources),
            extra={
                "sources": [str(source.resolve()) for source in sources],
                "low_rate": material.low_rate,
                "held_out": [str(sound.path) for sound in material.held_out],
                "skipped": [[str(one.path), one.why] for one in material.corpus.skipped],
            },
            force=force,
        )
        if own_rank() == 0 and start is not None:
            transfer.keep(start, run)
        if own_rank() == 0 and place.exists():
            place.rename(run.path / STORE)
            task.material = material.moved(run.path / STORE)
    return Begun(run, task)


def learn(
    begun: Begun[UpsampleTask], settings: UpsampleSettings, reporter: Reporter, *, resume: bool = False
) -> Outcome:
    """Train."""
    return run_training(begun.task, settings.train, begun.run, resume=resume, reporter=reporter)


def resume(folder: Path, settings: UpsampleSettings, reporter: Reporter) -> Outcome:
    """Go on with the run at ``folder``, to the weights of a run that was never stopped.

    Raises:
        RunError: there is no such run, or it is damaged.
        DataError: its sounds have changed since.
        SettingsError: settings that a resumed run may not change.
    """
    runs.refuse_settings(settings)
    run = runs.reopened(folder, JOB, settings)
    material = kept_material(run, settings)
    start = None if settings.start_from is None else transfer.kept(run)
    network = new_network(settings, material.rate, material.low_rate, start)
    return learn(Begun(run, UpsampleTask(network, material, settings)), settings, reporter, resume=True)
