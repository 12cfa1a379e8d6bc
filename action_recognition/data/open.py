"""`open_data`: the clips of a data set in one call, for notebooks and one's own training loops."""

from rich.console import Console

from action_recognition.config import load_config
from action_recognition.data.datamodule import ClipDataModule, make_contract
from action_recognition.data.load import load_manifest


def open_data(*overrides: str) -> ClipDataModule:
    """The loaders of a data set.

    Args:
        overrides: as on the command line, such as `"data=hmdb51", "data.batch_size=8"`.

    Returns:
        A datamodule. `train_dataloader()`, `val_dataloader()` and `test_dataloader()` give `ClipBatch`es; `contract`,
        `manifest` and `config` say what is in them.

    Raises:
        ConfigError: for overrides that cannot be used.
        DataError: if the data set is missing or cannot be used.
    """
    config = load_config(list(overrides))
    manifest = load_manifest(config, Console(quiet=True))
    return ClipDataModule(config, manifest, make_contract(config, manifest), seed=config.trainer.seed)
