"""The order of reading: lengths, shares of ranks, and the chunks that each worker fetches."""

from collections import Counter

import numpy as np
import pytest

from action_recognition.data.shard_batches import ShardBatches, floor_power_of_two
from action_recognition.readers.base import CHUNK, Place


def places_of(*clips_per_shard):
    return [Place(shard, clip) for shard, clips in enumerate(clips_per_shard) for clip in range(clips)]


def ranks(places, *, world, epoch=0, **options):
    """The batches of every rank."""
    given = {"batch_size": 16, "buffer": 256, "seed": 3} | options
    samplers = [ShardBatches(places, rank=rank, world=world, **given) for rank in range(world)]
    for sampler in samplers:
        sampler.set_epoch(epoch)
    batches = [list(sampler) for sampler in samplers]
    assert [len(sampler) for sampler in samplers] == [len(of_rank) for of_rank in batches]
    return batches


def clips(batches):
    return [draw.index for batch in batches for draw in batch]


@pytest.mark.parametrize("world", [1, 2, 3, 7])
@pytest.mark.parametrize("sizes", [(1,), (12,), (5, 40, 1, 33), (700, 3), (97,) * 13])
def test_each_rank_takes_as_many_steps_and_no_clip_comes_twice(world, sizes):
    places = places_of(*sizes)
    for epoch in range(3):
        of_ranks = ranks(places, world=world, epoch=epoch, shuffle=True, batch_size=4)
        taken = [clips(batches) for batches in of_ranks]
        share = len(places) // world
        # A last batch of a single clip is dropped.
        assert {len(part) for part in taken} == {share - (share > 4 and share % 4 == 1)}
        assert len({len(batches) for batches in of_ranks}) == 1
        assert max(Counter(index for part in taken for index in part).values(), default=1) == 1
    of_ranks = ranks(places, world=world, shuffle=False, batch_size=4)
    assert sorted(index for batches in of_ranks for index in clips(batches)) == list(range(len(places)))
    assert len({len(batches) for batches in of_ranks}) == 1


def test_each_epoch_leaves_out_other_clips():
    places = places_of(50, 53)
    epochs = (ranks(places, world=4, epoch=epoch, shuffle=True) for epoch in range(40))
    assert len({index for of_ranks in epochs for batches in of_ranks for index in clips(batches)}) == 103


def test_order_follows_from_seed_and_epoch_and_each_clip_has_its_own_seed():
    places = places_of(97, 97, 97)
    (first,), (again,) = (ranks(places, world=1, shuffle=True) for _ in range(2))
    (later,) = ranks(places, world=1, shuffle=True, epoch=1)
    (other,) = ranks(places, world=1, shuffle=True, seed=4)
    assert first == again
    assert clips(first) != clips(later)
    assert clips(first) != clips(other)
    seeds = {draw.index: draw.seed for batch in first for draw in batch}
    assert len(set(seeds.values())) == len(seeds)
    assert seeds != {draw.index: draw.seed for batch in later for draw in batch}
    # A clip's seed does not depend on which rank draws it.
    on_ranks = [draw for batches in ranks(places, world=3, shuffle=True) for batch in batches for draw in batch]
    assert all(seeds[draw.index] == draw.seed for draw in on_ranks)


def test_a_small_set_is_shuffled_as_a_whole():
    """Over many epochs each clip comes at each place about as often."""
    places = places_of(32, 32, 32)
    sampler = ShardBatches(places, batch_size=8, shuffle=True, buffer=256, seed=0)
    position_sums = np.zeros(96)
    for epoch in range(300):
        sampler.set_epoch(epoch)
        position_sums[clips(sampler)] += np.arange(96)
    means = position_sums / 300
    assert abs(means - 47.5).max() < 4.5 * 27.7 / 300**0.5


def test_batches_of_a_large_set_mix_many_chunks():
    places = places_of(*(400,) * 10)
    (batches,) = ranks(places, world=1, shuffle=True, buffer=1024)
    chunks = [len({places[draw.index].chunk for draw in batch}) for batch in batches]
    assert np.mean(chunks) > 6


@pytest.mark.parametrize("workers", [0, 1, 2, 4, 8])
@pytest.mark.parametrize("shuffle", [True, False])
def test_a_worker_that_holds_clips_ahead_fetches_each_chunk_about_once(workers, shuffle):
    places = places_of(*(400,) * 10)
    sampler = ShardBatches(places, batch_size=16, shuffle=shuffle, buffer=512, seed=0)
    fetched = 0
    held: list[dict[Place, None]] = [{} for _ in range(max(1, workers))]
    for number, batch in enumerate(sampler):
        waiting = held[number % len(held)]
        for draw in batch:
            place = places[draw.index]
            if place not in waiting:
                first = place.clip - place.clip % CHUNK
                members = [Place(place.shard, clip) for clip in range(first, min(first + CHUNK, 400))]
                fetched += len(members)
                waiting |= dict.fromkeys(members)
            del waiting[place]
        while len(waiting) > sampler.clips_ahead(workers):
            del waiting[next(iter(waiting))]
    assert len(places) <= fetched < 1.1 * len(places)


def test_floor_power_of_two():
    assert [floor_power_of_two(n) for n in (0, 1, 2, 3, 4, 6, 8, 15)] == [0, 1, 2, 2, 4, 4, 8, 8]
