from collections import Counter

import numpy as np
import pytest

from action_recognition.data.samplers import EpochSampler, balanced_order

LABELS = np.array([0] * 30 + [1] * 6 + [2] * 2)


def drawn(sampler, epoch=0):
    sampler.set_epoch(epoch)
    return list(sampler)


def test_balanced_draws_each_class_as_often_and_rare_clips_several_times():
    order = balanced_order(LABELS, np.random.default_rng(0))
    assert len(order) == len(LABELS)
    assert sorted(Counter(LABELS[order]).values()) == [12, 13, 13]
    for label in (1, 2):
        times = Counter(order[LABELS[order] == label].tolist())
        assert max(times.values()) - min(times.values()) <= 1
        assert set(times) == set(np.flatnonzero(label == LABELS).tolist())
    assert len(set(order[LABELS[order] == 0].tolist())) >= 12, "a frequent class repeats nothing"


def test_balanced_epochs_differ():
    sampler = EpochSampler(LABELS, seed=1, balanced=True)
    assert drawn(sampler, 0) == drawn(sampler, 0) != drawn(sampler, 1)


def test_repeats_follow_each_other_with_seeds_of_their_own():
    draws = drawn(EpochSampler(LABELS, seed=1, repeats=3))
    assert len(draws) == 3 * len(LABELS)
    groups = [draws[place : place + 3] for place in range(0, len(draws), 3)]
    assert all(len({draw.index for draw in group}) == 1 for group in groups)
    assert all(len({draw.seed for draw in group}) == 3 for group in groups)


@pytest.mark.parametrize("count", [24, 37])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_processes_share_each_batch_of_a_single_one(count, world):
    labels = np.zeros(count, dtype=int)
    alone = drawn(EpochSampler(labels, seed=5, batch_size=4 * world))
    parts = [drawn(EpochSampler(labels, seed=5, batch_size=4, rank=rank, world=world)) for rank in range(world)]
    assert len({len(part) for part in parts}) == 1, "a process that has more would wait for the others"
    assert len(parts[0]) == len(EpochSampler(labels, seed=5, batch_size=4, world=world))
    for batch in range(count // (4 * world)):
        together = [draw for part in parts for draw in part[4 * batch : 4 * batch + 4]]
        assert together == alone[4 * world * batch : 4 * world * (batch + 1)]
    everything = {draw for part in parts for draw in part}
    assert len({draw.index for draw in everything}) == count // world * world, "no clip comes twice"
    assert everything <= set(alone)
