from collections import Counter
from itertools import combinations

import pytest

from action_recognition.datasets.hmdb51 import HMDB51, parse_clip_name
from action_recognition.datasets.splits import choose_groups, cut_by_source
from action_recognition.errors import DataError


def best_total(sizes: list[int], target: int) -> int:
    """The nearest reachable total by trying every proper subset."""
    totals = {sum(chosen) for count in range(len(sizes)) for chosen in combinations(sizes, count)}
    return min(totals, key=lambda total: (abs(total - target), total))


@pytest.mark.parametrize("sizes", [[1], [3, 3], [2, 3, 5, 7], [4, 4, 4, 1], [9, 1], [6, 5, 3, 3, 2]])
@pytest.mark.parametrize("target", [0, 1, 2, 4, 6])
def test_groups_come_as_near_to_the_target_as_any_choice_can(sizes, target):
    groups = {f"source{number}": size for number, size in enumerate(sizes)}
    chosen = choose_groups(groups, target=target, seed="x")
    assert sum(groups[name] for name in chosen) == best_total(sizes, target)


def test_another_seed_chooses_other_groups():
    groups = {f"source{number}": 2 for number in range(12)}
    choices = {frozenset(choose_groups(groups, target=4, seed=str(seed))) for seed in range(10)}
    assert len(choices) > 5
    assert choose_groups(groups, target=4, seed="1") == choose_groups(groups, target=4, seed="1")


def test_preferred_groups_are_taken_where_the_total_is_the_same():
    groups = dict.fromkeys("abcdef", 2)
    assert choose_groups(groups, target=4, seed="s", preferred=frozenset("cf")) == {"c", "f"}


def test_a_class_with_one_source_keeps_it_for_training():
    assert cut_by_source({"run": ["only"] * 9}, fraction=0.3, seed=0, purpose="val") == {"run": set()}


@pytest.mark.parametrize("split", [1, 2, 3])
def test_hmdb51_validation_is_ten_of_seventy_and_leaks_nothing(shared_dir, split):
    splits_dir = shared_dir / "hmdb51_sample/splits"
    classes = sorted({path.name.rsplit("_test_split", 1)[0] for path in splits_dir.iterdir()})
    official = HMDB51().read_split(splits_dir, split=split, classes=classes)
    assert Counter(official.values()) == {"train": 3570, "test": 1530, "unused": 1666}
    parsed = {key: parse_clip_name(key[1].removesuffix(".avi"), label=key[0]) for key in official}
    assert {name.get("camera") for name in parsed.values()} == {"cm", "nm"}
    source_of = {key: name["source_video"] for key, name in parsed.items()}
    train = {
        label: [source_of[key] for key, part in official.items() if part == "train" and key[0] == label]
        for label in classes
    }
    cut = cut_by_source(train, fraction=1 / 7, seed=0, purpose="val")
    for label in classes:
        assert sum(source in cut[label] for source in train[label]) == 10
        tested = {source_of[key] for key, part in official.items() if part == "test" and key[0] == label}
        assert not tested & set(train[label])


def test_names_with_an_action_in_the_source_and_odd_characters():
    stem = "#20_Rhythm_clap_u_(clap)_&_run!_run_f_cm_np2_le_med_3"
    name = parse_clip_name(stem, label="run")
    tags = {"visible_body": "f", "camera": "cm", "people": "2", "view": "le", "quality": "med"}
    assert name == {"source_video": "#20_Rhythm_clap_u_(clap)_&_run!", **tags}


def test_a_name_of_another_form_is_its_own_source():
    assert parse_clip_name("holiday", label="run") == {"source_video": "holiday"}


def test_a_folder_without_split_files_is_refused(tmp_path):
    with pytest.raises(DataError, match="_test_split2"):
        HMDB51().read_split(tmp_path, split=2, classes=["run"])
