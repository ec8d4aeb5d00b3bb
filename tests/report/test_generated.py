"""The page of a generator: whole, self-contained, escaped; its sounds read back, its copies named."""

from __future__ import annotations

import base64
import html
import io
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from outline import HOSTILE, Outline

from wavewright.errors import OutputError
from wavewright.report.generated import (
    Curve,
    GeneratorPage,
    Heard,
    Judged,
    Neighbour,
    curves_of,
    generator_report,
)
from wavewright.report.page import Figure

RATE = 8000


def noise(seconds: float, seed: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


def rows() -> list[dict[str, object]]:
    return [
        {"step": 10 * at, "seconds": 6.0 * at, "loss": 5 - at / 10, "train_accuracy": at / 20}
        | ({"bits": 5.2 - at / 10, "accuracy": at / 25} if at % 2 else {})
        for at in range(1, 20)
    ]


def full(**changes: object) -> GeneratorPage:
    loss, accuracy = curves_of(rows())
    new, copied = noise(0.6, 0), noise(0.5, 1)
    given = GeneratorPage(
        title="Digits",
        rate=RATE,
        outputs=[
            Heard("New 1", new, "seven", 3.21, ("loop",), Neighbour("7_theo_12", noise(0.6, 5), 0.83, 3.5)),
            Heard("New 2", copied, "two", 2.5, (), Neighbour("2_lucas_9", 2 * copied, 0.999, 0.2)),
            Heard("New 3", noise(0.3, 2)),
        ],
        real=[Heard("7_george_5", noise(0.4, 3), "seven")],
        figures=[
            Judged("Bits a sample", 4.2, 4.37, "on held-out sounds", "LPC floor"),
            Judged("MMD²", -0.002, 0.001, "kernel distance"),
            Judged("Silent", "none"),
        ],
        loss=loss,
        accuracy=accuracy,
        floors={"LPC floor": 4.37, "unigram": 7.19},
        ordinary=[(0.7, 4.0), (0.9, 3.0)],
        events=[{"seconds": 30.0, "event": "learning rate halved"}],
        settings={"network": "audio-rnn", "train": {"minutes": 30.0}},
        run="runs/digits",
    )
    return replace(given, **changes)  # type: ignore[arg-type]


def written(folder: Path, given: GeneratorPage) -> str:
    generator_report(folder / "index.html", given, force=True)
    return (folder / "index.html").read_text(encoding="utf-8")


def test_the_page_is_well_formed_whole_and_asks_for_nothing_outside(tmp_path: Path) -> None:
    text = written(tmp_path, full())
    outline = Outline(text)
    names = [attrs["id"] for attrs in outline.of("section")]
    assert names == ["listen", "real", "figures", "training", "copies", "settings", "next"]
    assert {attrs["href"] for attrs in outline.of("a")} == {f"#{name}" for name in names}
    assert len(outline.of("audio")) == 2 + 2 + 1 + 1
    assert len(outline.of("image")) == 6  # a spectrogram each
    assert all(attrs.get("aria-label") for attrs in outline.of("svg") if attrs.get("role") == "img")
    groups = [attrs["aria-label"] for tag, attrs in outline.seen if attrs.get("data-seconds")]
    assert groups == ["New 1 and its nearest", "New 2 and its nearest", "New 3", "7_george_5"]
    for _, attrs in outline.seen:
        for key in ("src", "href", "srcset", "poster", "action", "data"):
            value = attrs.get(key)
            assert value is None or value.startswith(("data:", "#")), (key, value)
    assert not re.search(r"https?://|@import|url\(", text)


def test_hostile_words_stay_words(tmp_path: Path) -> None:
    heard = Heard(HOSTILE, noise(0.2, 0), HOSTILE, 1.0, (HOSTILE,), Neighbour(HOSTILE, noise(0.2, 1), 0.5))
    text = written(
        tmp_path,
        full(
            title=HOSTILE,
            outputs=[heard],
            real=[heard],
            figures=[Judged(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)],
            headline=[Figure(HOSTILE, HOSTILE, HOSTILE)],
            lead=HOSTILE,
            loss=[Curve(HOSTILE, [(0, 0.0, 1.0), (1, 1.0, 2.0)])],
            floors={HOSTILE: 1.0},
            events=[{"seconds": 1.0, "event": HOSTILE}],
            settings={HOSTILE: {HOSTILE: HOSTILE}},
            run=HOSTILE,
            foot=HOSTILE,
        ),
    )
    outline = Outline(text)
    assert len(outline.of("script")) == 1  # ours
    assert outline.of("img") == []
    assert not any(key.startswith("on") for _, attrs in outline.seen for key in attrs)


def test_each_new_sound_is_heard_beside_its_nearest_of_the_same_length(tmp_path: Path) -> None:
    given = full()
    contents = re.findall(r'src="data:audio/flac;base64,([^"]+)"', written(tmp_path, given))
    found = [soundfile.read(io.BytesIO(base64.b64decode(content)), dtype="float32") for content in contents]
    assert {rate for _, rate in found} == {RATE}
    first = given.outputs[0]
    assert first.nearest is not None
    np.testing.assert_allclose(found[0][0], first.samples, atol=1 / 32768)
    np.testing.assert_allclose(found[1][0], first.nearest.samples, atol=1 / 32768)
    short = replace(first, nearest=replace(first.nearest, samples=first.nearest.samples[:1000]))
    contents = re.findall(r'src="data:audio/flac;base64,([^"]+)"', written(tmp_path, full(outputs=[short])))
    padded, _ = soundfile.read(io.BytesIO(base64.b64decode(contents[1])), dtype="float32")
    assert padded.size == first.samples.size
    assert not padded[1000:].any()


def test_a_copy_is_named_where_no_real_sound_comes_as_near(tmp_path: Path) -> None:
    def warned(given: GeneratorPage) -> list[str]:
        return re.findall(r'<span class="tag warn">([^<]*)</span>', written(tmp_path, given))

    assert warned(full()) == ["loop", "copy"]
    assert "taken for copies: 1 of 3" in written(tmp_path, full())
    assert warned(full(ordinary=[(0.9995, 0.1)])) == ["loop"]  # tones: real ones come nearer still
    assert "None of the new sounds is a copy" in written(tmp_path, full(ordinary=[(0.9995, 0.1)]))
    assert warned(full(ordinary=[])) == ["loop", "copy"]


def test_figures_and_curves_say_what_they_are_to_be_compared_with(tmp_path: Path) -> None:
    text = html.unescape(written(tmp_path, full()))
    cells = re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", text[text.index('id="figures"') : text.index('id="training"')])
    assert cells[4:8] == ["Bits a sample", "4.2", "LPC floor 4.37", "on held-out sounds"]
    assert cells[8:12] == ["MMD²", "−0.002", "real sounds 0.001", "kernel distance"]
    assert cells[12:] == ["Silent", "none", "", ""]
    assert "<dt>Bits a sample</dt><dd>4.2<small>LPC floor 4.37</small>" in text
    labels = re.findall(r'aria-label="(Loss|Accuracy)\. ([^"]*)"', text)
    assert labels[0][1].startswith("Over 1.9 minutes: training from 4.9 to 3.1, lowest 3.1; validation from 5.1 to 3.3")
    assert labels[0][1].endswith("LPC floor at 4.37; unigram at 7.19.")
    assert "validation from 0.04 to 0.76, highest 0.76" in labels[1][1]
    assert "learning rate halved" in text


def test_curves_come_from_whatever_the_log_has() -> None:
    loss, accuracy = curves_of([{"step": 1, "seconds": 60.0, "loss": 3.0}, {"step": 2, "seconds": 120.0, "loss": None}])
    assert loss == [Curve("training", [(1, 60.0, 3.0), (2, 120.0, None)])]
    assert accuracy == []
    both, _ = curves_of([{"step": 1, "seconds": 1.0, "loss": 3.0, "train_bits": 2.0, "bits": 4.0}])
    assert [(curve.name, curve.points[0][2]) for curve in both] == [("training", 2.0), ("validation", 4.0)]
    assert curves_of([]) == ([], [])
    assert curves_of([{"event": "stopped"}]) == ([], [])


def test_the_least_there_can_be(tmp_path: Path) -> None:
    broken = [Curve("training", [(1, 1.0, None), (2, math.nan, 1.0), (3, 2.0, 1.0)])]
    text = written(tmp_path, GeneratorPage("x", RATE, loss=broken))
    assert [attrs["id"] for attrs in Outline(text).of("section")] == ["next"]
    silent = Heard("n", np.zeros(1, np.float32), nearest=Neighbour("m", np.zeros(0, np.float32), 0.0, math.inf))
    outline = Outline(written(tmp_path, GeneratorPage("x", RATE, outputs=[silent])))
    assert len(outline.of("audio")) == 2
    for wrong in (np.zeros(0, np.float32), np.zeros((1, 5), np.float32)):
        with pytest.raises(ValueError, match="'n'"):
            written(tmp_path, GeneratorPage("x", RATE, outputs=[Heard("n", wrong)]))


def test_long_sounds_are_cut_to_their_loudest_part(tmp_path: Path) -> None:
    long = np.concatenate([0.01 * noise(20, 0), noise(12, 1)])
    text = written(tmp_path, GeneratorPage("x", RATE, outputs=[Heard("New 1", long)]))
    content = re.findall(r'src="data:audio/flac;base64,([^"]+)"', text)[0]
    found, _ = soundfile.read(io.BytesIO(base64.b64decode(content)), dtype="float32")
    np.testing.assert_allclose(found, long[20 * RATE :], atol=1 / 32768)
    assert "32.00 s, from 20.0 s on" in text


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    path.write_text("mine")
    with pytest.raises(OutputError, match="already exists"):
        generator_report(path, full())
    assert path.read_text() == "mine"


def test_floors_stand_in_columns_of_their_own_beside_the_figures(tmp_path: Path) -> None:
    rows = [
        Judged("MMD", 0.25, 0.125, "distance", floors={"Gaussian": 0.5, "shuffled grains": math.nan}),
        Judged("Bits", 3.5, 4.5, "a sample", against="linear predictor"),
    ]
    generator_report(tmp_path / "page.html", GeneratorPage("run", RATE, figures=rows))
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    found = [re.findall(r"<t[dh][^>]*>([^<]*)</t[dh]>", row) for row in re.findall(r"<tr>(.*?)</tr>", text)]
    assert ["Figure", "Here", "To compare", "Gaussian", "shuffled grains", "What it says"] in found
    assert ["MMD", "0.25", "real sounds 0.125", "0.5", "", "distance"] in found
    assert ["Bits", "3.5", "linear predictor 4.5", "", "", "a sample"] in found


def test_the_rhythm_of_loops_is_drawn_and_told(tmp_path: Path) -> None:
    seconds = np.array([0.1, 0.2, 0.4])
    rhythm = {"new": (seconds, np.array([0.2, 0.8, 0.0])), "real": (seconds, np.array([0.0, 0.1, 0.9]))}
    generator_report(tmp_path / "page.html", GeneratorPage("run", RATE, rhythm=rhythm))
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Times from onset to onset" in text
    assert "new most often 0.2 s; real most often 0.4 s." in text
    generator_report(tmp_path / "none.html", GeneratorPage("run", RATE))
    assert "onset to onset" not in (tmp_path / "none.html").read_text(encoding="utf-8")
