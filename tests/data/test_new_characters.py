"""New characters: where they lie, whose turn it is, and the beats of new loops."""

from __future__ import annotations

from collections import Counter

import numpy as np

from wavewright.data.new_characters import PARTIAL, WHOLE, Learned, herded


def one_shots(sounds: int = 6, versions: int = 6, seed: int = 0, labels: tuple[str | None, ...] = ()) -> Learned:
    """Versions of a sound lie close together, sounds far apart."""
    dice = np.random.default_rng(seed)
    homes = np.repeat(np.arange(sounds), versions)
    numbers = 10 * dice.standard_normal((sounds, 3))[homes] + 0.1 * dice.standard_normal((len(homes), 3))
    rows = np.arange(len(homes))
    return Learned(numbers.astype(np.float32), homes, rows, np.full(len(homes), WHOLE), labels or (None,) * sounds)


def loops(bars: int = 2, seed: int = 0) -> Learned:
    """Two loops of two versions each; the numbers of a beat are the loop, the version, the beat.

    Each begins with the last beat of a bar, of which a part is missing."""
    homes, versions, places, numbers = [], [], [], []
    for home in range(2):
        for version in range(2):
            for beat in range(4 * bars + 1):
                homes.append(home)
                versions.append(2 * home + version)
                places.append(PARTIAL if beat == 0 else (beat + 3) % 4)
                numbers.append([home, version, beat])
    return Learned(np.float32(numbers), np.array(homes), np.array(versions), np.array(places), (None, None))


def test_new_characters_lie_between_one_of_the_sound_whose_turn_it_is_and_a_neighbour() -> None:
    known = one_shots(sounds=30, versions=1)
    apart = np.linalg.norm(known.numbers[:, None] - known.numbers[None], axis=2)
    for turn in range(20):
        new = known.between(turn, np.random.default_rng(turn))
        # on the segment between two of them: the distances to its ends add up to its length
        reach = np.linalg.norm(known.numbers - new, axis=1)
        slack = reach[:, None] + reach[None] - apart
        np.fill_diagonal(slack, np.inf)
        assert slack.min() < 1e-3


def test_with_a_reach_they_lie_on_the_way_to_another_sound_and_no_further_than_that() -> None:
    homes = np.repeat(np.arange(4), 3)
    numbers = (100 * np.eye(4)[homes]).astype(np.float32)  # each sound along an axis of its own
    known = Learned(numbers, homes, np.arange(12), np.full(12, WHOLE), ("a", "b", "a", "a"))
    ways, shares = set(), []
    for turn in range(120):
        new = known.between(turn, np.random.default_rng(turn), label="a", reach=0.3)
        other, home = np.argsort(new)[-2:].tolist()
        assert np.count_nonzero(new) == 2
        assert abs(new.sum() - 100) < 1e-3  # on the straight line between the two
        ways.add((home, other))
        shares.append(new[other] / 100)
    assert ways == {(0, 2), (0, 3), (2, 0), (2, 3), (3, 0), (3, 2)}  # of the class, any sound may be gone to from any
    assert 0.28 < max(shares) <= 0.3
    assert min(shares) < 0.02


def test_a_single_sound_has_nowhere_else_to_go_and_many_are_neighbours_as_they_are() -> None:
    known = one_shots(sounds=1)
    new = known.between(0, np.random.default_rng(0), reach=0.1)
    assert np.linalg.norm(known.numbers - new, axis=1).min() < 1.0
    many = one_shots(sounds=40, versions=1)
    near, far = (many.between(3, np.random.default_rng(5), reach=reach) for reach in (None, 0.1))
    assert np.array_equal(near, far)


def test_all_sounds_have_their_turn_before_any_has_another() -> None:
    known = one_shots()
    found = []
    for turn in range(12):
        new = known.between(turn, np.random.default_rng(turn), seed=4)
        found.append(int(known.homes[np.square(known.numbers - new).sum(axis=1).argmin()]))
    assert sorted(found[:6]) == sorted(found[6:]) == list(range(6))
    assert found[:6] != list(range(6))


def test_any_first_part_of_the_order_lies_as_the_whole() -> None:
    dice = np.random.default_rng(3)
    points = np.concatenate([dice.standard_normal((120, 2)), 6 + 0.1 * dice.standard_normal((40, 2))]).astype(
        np.float32
    )
    apart = np.square(points[:, None] - points[None]).sum(axis=2)
    kernel = np.exp(-apart / np.median(apart))

    def away(chosen: np.ndarray) -> float:
        """The kernel distance of some points from all of them."""
        return float(kernel[np.ix_(chosen, chosen)].mean() - 2 * kernel[chosen].mean() + kernel.mean())

    for seed in range(3):
        order = herded(points, seed)
        assert sorted(order.tolist()) == list(range(160))
        for count in (8, 20, 64):
            others = [away(dice.choice(160, count, replace=False)) for _ in range(20)]
            assert away(order[:count]) < 0.25 * np.mean(others)


def test_a_class_asked_for_is_kept_to() -> None:
    labels = ("a", "b", "a", "b", "a", "b")
    known = one_shots(labels=labels)
    for turn in range(12):
        new = known.between(turn, np.random.default_rng(turn), label="b")
        at = int(np.square(known.numbers - new).sum(axis=1).argmin())
        assert labels[known.homes[at]] == "b"


def test_nothing_learned_has_no_character() -> None:
    none = Learned(np.zeros((0, 3), np.float32), *(np.zeros(0, np.int64),) * 3, ())
    assert none.between(0, np.random.default_rng(0)).tolist() == [0.0] * 3
    assert none.loop(0, np.arange(4), np.random.default_rng(0)).shape == (4, 3)


def test_the_beats_of_a_new_loop_lie_at_their_places_in_the_bar() -> None:
    known = loops()
    places = np.array([3, 0, 1, 2, 3, 0, 1, 2])
    seen: Counter[int] = Counter()
    for turn in range(40):
        new = known.loop(turn, places, np.random.default_rng(turn))
        assert np.ptp(new[:, 0]) < 1e-6  # all of it between the same two versions
        assert np.ptp(new[:, 1]) < 1e-6
        if new[0, 0] in (0, 1):  # of one loop
            beats = np.rint(new[:, 2]).astype(int)
            assert np.abs(new[:, 2] - beats).max() < 1e-5
            assert ((beats + 3) % 4 == places).all()
            assert beats.min() > 0  # never the one of which a part is missing
            seen.update(beats.tolist())
    assert set(seen) == set(range(1, 9))  # of either bar


def test_a_loop_is_the_same_however_long_it_is_asked_for() -> None:
    known = loops()
    long, short = (known.loop(3, np.arange(n) % 4, np.random.default_rng(1)) for n in (12, 5))
    assert np.array_equal(long[:5], short)
