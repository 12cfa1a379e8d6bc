"""The commands. Thin: each composes the config, calls one function, and says what to run next."""

import shlex
from typing import TYPE_CHECKING

from action_recognition.cli.next_command import DATA, PLACES, TRACKING, TRAINING, print_next, with_overrides

if TYPE_CHECKING:
    from rich.console import Console

    from action_recognition.config import Config

# Sources that the line of the next command names; a pattern of the shell may have given thousands.
MOST_REPEATED = 3


class Commands:
    """Video action recognition from data to deployment. Imports happen inside: `--help` answers at once."""

    def download_data(self, *overrides: str) -> None:
        """Get a data set into data/<name>/ with a manifest (data=demo makes the synthetic one).

        data=hmdb51 and data=ucf101 download the clips and the official splits from the mirrors in conf/data/, go on
        where an earlier run stopped, and check what came. data.archive=FILE|FOLDER|URL takes the clips from there: a
        RAR, ZIP or TAR, a folder of class folders, or one with archives in it; data.splits_archive= the splits.
        """
        config, console = _start(overrides, reads_videos=True)

        from action_recognition.cli.download_data import download_data

        download_data(config, console=console)
        _next(console, overrides, {"train-ml-flow-dvc": (*TRAINING, *TRACKING), "check-data": DATA})

    def check_data(self, *overrides: str) -> None:
        """Decode every clip; report corrupt, short, duplicate, leaking; exit 1 where training would be wrong."""
        config, console = _start(overrides, reads_videos=True, data_here=True)

        from action_recognition.cli.check_data import check_data

        check_data(config, console=console)
        _next(console, overrides, {"train": TRAINING})

    def cache_data(self, *overrides: str) -> None:
        """Decode every clip once into the clip store, which training and evaluation then read instead.

        data.cache.codec=raw|jpeg chooses how, data.cache.prune=true removes what is not used any more.
        """
        config, console = _start(overrides, reads_videos=True, data_here=True)

        from action_recognition.cli.cache_data import cache_data

        cache_data(config, console=console)
        _next(console, overrides, {"train": TRAINING})

    def export_shards(self, *overrides: str) -> None:
        """Write the clips as WebDataset tars to data.shards.dir, for object storage; train data=shards reads them.

        data.shards.max_megabytes limits a tar. Upload the folder as it is, then: data=shards data.shards.url=URL
        """
        config, console = _start(overrides, reads_videos=True, data_here=True)

        from action_recognition.cli.export_shards import export_shards

        export_shards(config, console=console)
        url = shlex.quote(f"data.shards.url={config.data.shards.dir}")
        _next(console, overrides, {f"train data=shards {url}": ("plots_dir", "model", "optimizer", "trainer")})

    def train(self, *overrides: str) -> None:
        """Train a model; checkpoints and curves go to plots/runs/.

        trainer.resume=last goes on where the last run stopped, with its settings.
        """
        config, console = _start(overrides, batches=True, data_here=True)

        from action_recognition.cli.train import run_training

        run_training(config, console=console, command="train")
        _next(console, overrides, {"infer": PLACES, "export-onnx": PLACES})

    def train_ml_flow(self, *overrides: str) -> None:
        """Train, and record the run in MLflow."""
        config, console = _start(overrides, batches=True, data_here=True)

        from action_recognition.cli.train import run_training

        run_training(config, console=console, command="train-ml-flow", mlflow=True)
        _next(console, overrides, {"infer-ml-flow": (*PLACES, *TRACKING), "export-onnx": PLACES})

    def train_ml_flow_dvc(self, *overrides: str) -> None:
        """Make sure that DVC has the data as pinned, then train with MLflow."""
        config, console = _start(overrides, batches=True)

        from action_recognition.cli.train import run_training

        run_training(config, console=console, command="train-ml-flow-dvc", mlflow=True, dvc=True)
        _next(console, overrides, {"infer-ml-flow": (*PLACES, *TRACKING), "export-onnx": PLACES})

    def train_ml_flow_server_dvc(self, *overrides: str) -> None:
        """As train-ml-flow-dvc, and log and register a model that MLflow can serve."""
        config, console = _start(overrides, batches=True)

        from action_recognition.cli.train import run_training

        command = "train-ml-flow-server-dvc"
        run_training(config, console=console, command=command, mlflow=True, dvc=True, servable=True)

    def infer(self, *overrides: str) -> None:
        """Evaluate a checkpoint on the test split of its data; writes plots/metrics.json."""
        config, console = _start(overrides, of_checkpoint=True, batches=True)

        from action_recognition.cli.infer import run_evaluation

        run_evaluation(config, console=console)
        _next(console, overrides, {_of_checkpoint("export-onnx", overrides): PLACES})

    def infer_ml_flow(self, *overrides: str) -> None:
        """As infer, and record the scores and plots in MLflow."""
        config, console = _start(overrides, of_checkpoint=True, batches=True)

        from action_recognition.cli.infer import run_evaluation

        run_evaluation(config, console=console, mlflow=True)
        _next(console, overrides, {_of_checkpoint("export-onnx", overrides): PLACES})

    def index_to_class(self, *overrides: str) -> None:
        """Write index_to_class.csv: which output is which action."""
        config, console = _start(overrides, of_checkpoint=True)

        from action_recognition.export.classes import write_index_to_class

        write_index_to_class(config, console=console)
        _next(console, overrides, {_of_checkpoint("export-onnx", overrides): PLACES})

    def export_onnx(self, *overrides: str) -> None:
        """Export a checkpoint to video_action_model.onnx, compared with torch before it is put in place."""
        config, console = _start(overrides, of_checkpoint=True)

        from action_recognition.cli.export_onnx import run_export_onnx

        run_export_onnx(config, console=console)
        _next(console, overrides, {"infer-from-onnx VIDEO": ("export.onnx",), "convert-trt": ("export",)})

    def convert_trt(self, *overrides: str) -> None:
        """Build video_action_model.engine from the ONNX file with TensorRT or TensorRT for RTX.

        export.engine=tensorrt_rtx export.compute_capability=8.9 builds for a GeForce card without having one.
        """
        config, console = _start(overrides)

        from action_recognition.cli.export_onnx import run_convert_trt

        run_convert_trt(config, console=console)
        _next(console, overrides, {"predict VIDEO predict.backend=tensorrt": ("export.engine_path",)})

    def infer_from_onnx(self, *sources_and_overrides: str) -> None:
        """Label video files or folders of them with the ONNX model: infer-from-onnx SOURCE ... [key=value ...]"""
        _predict("infer-from-onnx", sources_and_overrides, "predict.backend=onnx")

    def predict(self, *sources_and_overrides: str) -> None:
        """Label videos on any backend: predict SOURCE ... [predict.backend=torch|onnx|tensorrt]"""
        _predict("predict", sources_and_overrides)

    def compare_runs(self, *overrides: str) -> None:
        """Compare recorded runs: scores, what changed, and why the runtime moved; writes plots/compare/.

        compare.experiments=[a,b]|all and compare.runs=[x,y] choose runs, compare.baseline=x the one to compare with.
        """
        config, console = _start(overrides)

        from action_recognition.studies.compare import compare_runs

        compare_runs(config, console=console)
        _next(console, overrides, {"tune": (*TRAINING, *TRACKING, "tune")})

    def tune(self, *overrides: str) -> None:
        """Search for better settings by validation top-1, with Optuna and MLflow; writes plots/tune/.

        tune.space says which keys are searched and where, tune.trials how often. A study goes on where it stopped.
        """
        config, console = _start(overrides, batches=True)

        from action_recognition.studies.tune import run_tune

        print_next(console, f"python commands.py {run_tune(config, console=console)}")

    def demo(self, *overrides: str) -> None:
        """Everything, offline, on the synthetic data: train, evaluate, export, and label a video."""
        from action_recognition.cli.demo import run_demo

        _, console = _start(overrides)
        run_demo(overrides, console=console)
        _next(console, (), {"train-ml-flow data=folder data.videos_dir=FOLDER": (), "compare-runs": ()})


def _start(
    overrides: tuple[str, ...],
    *,
    of_checkpoint: bool = False,
    reads_videos: bool = False,
    batches: bool = False,
    data_here: bool = False,
) -> "tuple[Config, Console]":
    from rich.console import Console

    from action_recognition.config import check_given_once, load_config
    from action_recognition.errors import ConfigError
    from action_recognition.utils.rank import is_first_process
    from action_recognition.video.pixel_limit import set_max_pixels

    check_given_once(overrides)
    config = load_config(overrides)
    if config.data.kind == "shards" and reads_videos:
        raise ConfigError("data=shards: this command reads videos; name the data set itself, such as data=hmdb51")
    if of_checkpoint or config.trainer.resume:
        from action_recognition.models.checkpoint_config import config_of_checkpoint

        config = config_of_checkpoint(config)
    elif config.data.kind == "shards":
        from action_recognition.readers.shards.exported_settings import as_exported

        config = as_exported(config)
    set_max_pixels(config.data.max_pixels)
    if data_here:
        from action_recognition.data.places import check_places

        check_places(config.data)
    if batches:
        from action_recognition.data.memory_needed import check_batches_fit

        check_batches_fit(config.data, views=config.data.test_clips * config.data.test_crops if of_checkpoint else 1)
    return config, Console(soft_wrap=True, quiet=not is_first_process())


def _next(console: "Console", given: tuple[str, ...], commands: dict[str, tuple[str, ...]]) -> None:
    """Say what may follow: each command with those of the overrides `given` whose keys it needs to be told."""
    print_next(console, *(with_overrides(command, given, keys) for command, keys in commands.items()))


def _of_checkpoint(command: str, given: tuple[str, ...]) -> str:
    """`command` for the checkpoint that an evaluation was told to take."""
    named = [word.partition("=")[2] for word in given if word.startswith("evaluation.checkpoint=")]
    return f"{command} {shlex.quote(f'export.checkpoint={named[-1]}')}" if named else command


def _predict(command: str, words: tuple[str, ...], *defaults: str) -> None:
    from action_recognition.cli.main import split_arguments
    from action_recognition.cli.predict import run_prediction
    from action_recognition.config import key_of
    from action_recognition.errors import ConfigError

    sources, overrides = split_arguments(words)
    keys = {key_of(override) for override in overrides}
    for default in defaults:
        if key_of(default) in keys and default not in overrides:
            raise ConfigError(f"{command}: {key_of(default)} is what predict takes; expected {default} or nothing here")
    config, console = _start((*(set(defaults) - set(overrides)), *overrides))
    run_prediction(config, sources, console=console)
    further = {"predict.video_dir": "labelled", "predict.output": "labels.json"}
    named = sources if len(sources) <= MOST_REPEATED else ["SOURCE"]
    again = [
        shlex.join([command, *named, *overrides, f"{key}={value}"]) for key, value in further.items() if key not in keys
    ]
    print_next(console, *(f"python commands.py {line}" for line in again[:1]))
