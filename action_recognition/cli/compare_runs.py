"""`compare-runs`: recorded runs side by side."""

from action_recognition.cli.command import Call, command
from action_recognition.cli.next_commands import TRACKING, TRAINING


@command(groups=("compare", "tracking"))
def run(call: Call) -> None:
    """Compare recorded runs: scores, what changed, and runtimes; writes plots/compare/.

    compare.experiments=[a,b]|all and compare.runs=[x,y] choose runs, compare.baseline=x the one to compare with.
    """
    from action_recognition.studies.compare import compare_runs

    compare_runs(call.config, console=call.console)
    call.print_next({"tune": (*TRAINING, *TRACKING, "tune")})
