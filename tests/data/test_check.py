"""The pair report: what it warns of, and that it reads as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from wavewright.audio import files
from wavewright.audio.recording import FloatArray, Recording
from wavewright.audio.resample import resample
from wavewright.data.check import check_pair
from wavewright.errors import PairError

RATE = 24_000


def bursts(seconds: float, seed: int) -> FloatArray:
    random = np.random.default_rng(seed)
    envelope = np.repeat(random.uniform(0.01, 1.0, int(seconds * 10)), RATE // 10)
    return np.asarray(0.1 * envelope * random.standard_normal(len(envelope)), dtype=np.float32)


def late(x: FloatArray, delay: int = 240) -> FloatArray:
    return np.concatenate([np.zeros(delay, np.float32), x])


def test_a_good_pair_has_no_warnings() -> None:
    dry = bursts(70, 0)
    report = check_pair(Recording(dry[None], RATE), Recording(late(dry)[None], RATE))
    assert report.warnings == ()
    assert "fit for training" in report.verdict
    assert abs(report.alignment.delay_samples - 240) <= 3
    assert report.seconds == pytest.approx(70, abs=0.01)
    assert report.repeats is None


def test_each_fault_is_told_with_its_remedy() -> None:
    dry = bursts(12, 1)
    dry[6 * RATE : 9 * RATE] = dry[2 * RATE : 5 * RATE]
    hiss = 0.06 * np.random.default_rng(2).standard_normal(len(dry) + 240)
    wet = np.clip(12 * late(dry) + hiss + 0.02, -1, 1).astype(np.float32)
    report = check_pair(Recording(dry[None], RATE), Recording(np.stack([wet, wet]), RATE))
    told = "\n".join(report.warnings)
    for words in (
        "of the wet samples sit at full scale: lower",
        "2 channels",
        "DC offset",
        "share 12.0 s",
        "differently",
    ):
        assert words in told
    assert report.repeats is not None
    assert report.repeats.passages == 1
    text = "\n".join(report.lines())
    assert all(warning in text for warning in report.warnings)
    assert "played twice" in text
    values = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert values["alignment"]["delay_samples"] == report.alignment.delay_samples
    assert values["wet"]["full_scale"] == report.wet.full_scale
    assert values["warnings"] == list(report.warnings)


def test_another_rate_is_refused_by_name_or_resampled_where_allowed() -> None:
    dry = Recording(bursts(20, 3)[None], RATE)
    wet = resample(Recording(late(dry.samples[0], 120)[None], RATE), 32_000)
    with pytest.raises(PairError, match=r"24000 Hz .* 32000 Hz"):
        check_pair(dry, wet)
    report = check_pair(dry, wet, allow_resample=True)
    assert -12 <= report.alignment.delay_samples - 120 <= 0  # the resampling filters ring ahead
    assert (report.rate, report.resampled_from) == (RATE, 32_000)
    assert "resampled from 32000" in report.warnings[0]


def test_klon_is_warned_of_its_clipping(shared: Path) -> None:
    folder = shared / "audio" / "klon"
    report = check_pair(files.read(folder / "dry.flac"), files.read(folder / "wet_gain050.flac"))
    assert any(warning.startswith("28.0% of the wet samples sit at full scale") for warning in report.warnings)
    assert report.alignment.polarity == -1
