"""Splits by law: parts share no sample they read, keep their shares, and refuse what is too short by its figures."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.data.manifest import Item
from wavewright.data.split import Region, Split, regions_of, split, split_files
from wavewright.errors import DataError, SettingsError


def reads(regions: tuple[Region, ...]) -> set[int]:
    return {sample for region in regions for sample in range(region.first, region.stop)}


def items_of(lengths: list[int], contents: list[int] | None = None) -> list[Item]:
    items, position = [], 0
    for number, length in enumerate(lengths):
        content = number if contents is None else contents[number]
        items.append(Item(f"{number}.wav", f"{content:064x}", 8000, 1, length, "audio", position, length))
        position += length
    return items


@settings(deadline=None, max_examples=30)
@given(
    receptive_field=st.integers(1, 60),
    window=st.integers(1, 80),
    latency=st.integers(0, 9),
    extra=st.integers(0, 900),
    validation=st.sampled_from([0.0, 0.1, 0.3]),
    test=st.sampled_from([0.0, 0.1, 0.3]),
)
def test_no_sample_is_read_by_two_parts(
    receptive_field: int, window: int, latency: int, extra: int, validation: float, test: float
) -> None:
    context = receptive_field - 1 + latency
    frames = 3 * context + 8 * window + extra
    parts = split(
        frames, 100, receptive_field=receptive_field, window=window, latency=latency, validation=validation, test=test
    )
    given_out = [part for part in (parts.train, parts.validation, parts.test) if part]
    assert len(given_out) == 1 + (validation > 0) + (test > 0)
    assert sum(len(reads(part)) for part in given_out) == frames  # all is used, and nothing twice
    assert set().union(*map(reads, given_out)) == set(range(frames))
    assert all(part[0].context == context and part[0].frames >= window for part in given_out)


def test_fractions_are_of_all_targets_and_seconds_are_seconds() -> None:
    by_fraction = split(100_000, 1000, receptive_field=1001, window=10, validation=0.1, test=0.2)
    assert [part[0].frames for part in (by_fraction.train, by_fraction.validation, by_fraction.test)] == [
        67_900,
        9_700,
        19_400,
    ]
    by_seconds = split(100_000, 1000, receptive_field=1001, window=10, validation=9, test=5.5, unit="seconds")
    assert (by_seconds.validation[0].frames, by_seconds.test[0].frames) == (9000, 5500)
    assert by_seconds.test[0].stop == 100_000


def test_a_recording_too_short_is_told_in_seconds_and_samples() -> None:
    with pytest.raises(DataError) as caught:
        split(24_000, 48_000, receptive_field=4093, window=8192)
    told = str(caught.value)
    assert "0.5 s (24000 samples)" in told
    assert "0.171 s (8192 samples)" in told
    assert "0.512 s (24568 samples)" in told
    just_enough = split(24_568, 48_000, receptive_field=4093, window=8192)
    assert just_enough.train[0].frames == just_enough.validation[0].frames == 8192


def test_held_out_seconds_that_leave_nothing_for_training() -> None:
    with pytest.raises(DataError, match=r"validation and test take 9 s \(9000 samples\) of 9\.9 s"):
        split(10_000, 1000, receptive_field=51, window=1000, validation=9, unit="seconds")


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ({"validation": -0.1, "test": float("nan")}, "validation = -0.1: must be at least 0\nsetting test = nan"),
        ({"validation": 0.5, "test": 0.5}, "together they must be below 1"),
        ({"unit": "minutes"}, "unit = 'minutes': allowed: fraction, seconds"),
    ],
)
def test_impossible_shares_are_settings_errors(shares: dict[str, float | str], told: str) -> None:
    with pytest.raises(SettingsError, match=told.replace(".", r"\.")):
        split(10_000, 1000, receptive_field=10, window=10, **shares)  # type: ignore[arg-type]


@settings(deadline=None, max_examples=30)
@given(lengths=st.lists(st.integers(1, 300), min_size=4, max_size=40), seed=st.integers(0, 5))
def test_files_go_whole_to_one_part(lengths: list[int], seed: int) -> None:
    items = items_of([*lengths, 100, 200, 300])
    parts = split_files(items, 8000, receptive_field=11, window=40, validation=0.2, test=0.2, seed=seed)
    regions = [*parts.train, *parts.validation, *parts.test]
    long_enough = [item for item in items if item.length >= 50]
    assert sorted((region.first, region.stop) for region in regions) == [
        (item.start, item.start + item.length) for item in long_enough
    ]
    assert parts.left_out == tuple(item.path for item in items if item.length < 50)
    assert min(len(parts.train), len(parts.validation), len(parts.test)) >= 1


def test_file_shares_come_close_and_follow_content_not_names() -> None:
    items = items_of([1000] * 200)
    parts = split_files(items, 8000, receptive_field=1, window=10, validation=0.1, test=0.2)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (140, 20, 40)
    renamed = [Item(**{**vars(item), "path": f"other/{item.path}"}) for item in items]
    assert split_files(renamed, 8000, receptive_field=1, window=10, validation=0.1, test=0.2) == parts
    assert split_files(items, 8000, receptive_field=1, window=10, validation=0.1, test=0.2, seed=1) != parts


def test_copies_of_one_sound_never_sit_on_two_sides() -> None:
    items = items_of([100] * 60, contents=[number % 12 for number in range(60)])
    parts = split_files(items, 8000, receptive_field=1, window=10, validation=0.3)
    sounds = [{region.start // 100 % 12 for region in part} for part in (parts.train, parts.validation)]
    assert sounds[0] & sounds[1] == set()
    assert sounds[0] | sounds[1] == set(range(12))


def test_too_few_sounds_for_the_parts() -> None:
    with pytest.raises(DataError, match=r"1 of 3 files .* longest file has 0\.0125 s \(100 samples\).* 2 parts"):
        split_files(items_of([100, 20, 30]), 8000, receptive_field=11, window=40)


def test_regions_of_files_keep_the_context_inside_the_file() -> None:
    found = regions_of(items_of([100, 5, 60]), receptive_field=11, window=50, latency=0)
    assert found == Split((Region(10, 100, 10), Region(115, 165, 10)), left_out=("1.wav",))
