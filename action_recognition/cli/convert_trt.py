"""`convert-trt`: the ONNX file as a TensorRT engine."""

from pathlib import Path

from action_recognition.cli.command import Call, command


@command(groups=("export",))
def run(call: Call) -> None:
    """Build video_action_model.engine from the ONNX file with TensorRT or TensorRT for RTX.

    export.engine=tensorrt_rtx export.compute_capability=8.9 builds for a GeForce card without having one.
    """
    from action_recognition.export.tensorrt import convert_trt
    from action_recognition.utils.progress import progress_bar

    settings = call.config.export
    with progress_bar("building the engine", console=call.console):
        report = convert_trt(
            Path(settings.onnx),
            Path(settings.engine_path),
            engine=settings.engine,
            compute_capability=settings.compute_capability,
            precision=settings.precision,
            min_batch=settings.min_batch,
            opt_batch=settings.opt_batch,
            max_batch=settings.max_batch,
        )
    call.console.print(f"{report}", highlight=False)
    call.print_next({"predict VIDEO predict.backend=tensorrt": ("export.engine_path",)})
