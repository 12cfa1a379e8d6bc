"""`index-to-class`: the class names of a model as CSV."""

from action_recognition.cli.command import Call, command
from action_recognition.cli.infer import same_checkpoint
from action_recognition.cli.next_commands import PLACES


@command(groups=("evaluation",), of_checkpoint=True)
def run(call: Call) -> None:
    """Write index_to_class.csv: which output is which action."""
    from action_recognition.export.classes import write_index_to_class

    write_index_to_class(call.config, console=call.console)
    call.print_next({same_checkpoint("export-onnx", call.overrides): PLACES})
