"""`tune`: a search for better settings."""

from action_recognition.cli.command import Call, command
from action_recognition.cli.next_commands import print_next
from action_recognition.cli.train import GROUPS


@command(groups=(*GROUPS, "tracking", "tune"), makes_batches=True)
def run(call: Call) -> None:
    """Search for better settings by validation top-1, with Optuna and MLflow; writes plots/tune/.

    tune.space says which keys are searched and where, tune.trials how often. A study goes on where it stopped.
    """
    from action_recognition.studies.tune import run_tune

    print_next(call.console, f"python commands.py {run_tune(call.config, console=call.console)}")
