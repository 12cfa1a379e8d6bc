"""Whether the folders that a data set is read from are there: asked before anything that takes seconds to import."""

from pathlib import Path

from action_recognition.config import DataConfig
from action_recognition.errors import DataError


def check_places(data: DataConfig) -> None:
    """Refuse a configuration whose folders are missing; shards are looked for where they are read.

    Raises:
        DataError: naming the key, its value, and what brings the data.
    """
    if data.kind == "shards":
        return
    bring = f"python commands.py download-data data={data.name} brings it"
    if data.kind == "folder":
        bring = "give a folder that holds one folder of videos per class"
    for key, folder in (("videos_dir", data.videos_dir), ("splits_dir", data.splits_dir)):
        if folder is not None and not Path(folder).is_dir():
            problem = "not a directory" if Path(folder).exists() else "no such directory"
            raise DataError(f"data.{key}={folder}: {problem}; {bring}")
    if data.labels_csv is not None and not Path(data.labels_csv).is_file():
        raise DataError(f"data.labels_csv={data.labels_csv}: no such file; {bring}")
