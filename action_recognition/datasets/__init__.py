"""Data sets by `data.kind`. A new one is a subclass of `Dataset`, a line in `DATASETS` and a file in `conf/data/`."""

from pkgutil import resolve_name

from action_recognition.config import Config, DataConfig
from action_recognition.datasets.base import Dataset
from action_recognition.errors import check_choice

# A class, or its module and name, imported on first use because OpenCV alone takes half a second.
DATASETS: dict[str, type[Dataset] | str] = {
    "demo": f"{__name__}.hmdb51:Demo",
    "hmdb51": f"{__name__}.hmdb51:HMDB51",
    "ucf101": f"{__name__}.ucf101:UCF101",
    "folder": f"{__name__}.folder:Folder",
    "shards": f"{__name__}.shards:Shards",
    "stills": f"{__name__}.stills:Stills",
    "depth": f"{__name__}.depth:Depth",
}


def dataset_of(data: DataConfig) -> Dataset:
    """The data set that `data.kind` names; raises `ConfigError` if there is no data set of that name."""
    check_choice("data.kind", data.kind, DATASETS)
    named = DATASETS[data.kind]
    made: Dataset = (resolve_name(named) if isinstance(named, str) else named)()
    return made


def check_dataset(config: Config) -> Dataset:
    """The data set of a configuration; raises `ConfigError` if `data.kind` names none or values do not suit it."""
    dataset = dataset_of(config.data)
    dataset.check(config)
    return dataset
