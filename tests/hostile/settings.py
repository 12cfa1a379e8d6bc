"""Settings: every key of the configuration with values that nobody can mean.

Refused before any work. What a schema takes nevertheless is trained with for an epoch: it has to work, or be refused.
"""

import tempfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from hostile.material import training_words
from hostile.outcomes import REFUSED, RIGHT, WRONG, Outcome, judge, judge_call, run_command

NO_NUMBERS = (
    "nan",
    "inf",
    "-inf",
    "abc",
    "''",
    "[]",
    "{}",
    "[1,2]",
    "{a:1}",
    "1e999",
    "0x10",
    "1/2",
    "5%",
)
FAR_OUT = ("-1", "-0.5", "1e308", "-1e308", "1e-320", "1000000000000", "9" * 400, "-999999999", "1.5")
ANYTHING = (
    "null",
    "''",
    "nan",
    "-1",
    "[]",
    "{}",
    "[[]]",
    "0",
    "1e999",
    "true",
    "x" * 5000,
    "../..",
    "/dev/null",
    "a\x1bb",
)
# The words that stand alone: no key, or more than one thing wrong with it.
WORDS = (
    "=",
    "=5",
    "data",
    "data=",
    "data=null",
    "data=[demo,hmdb51]",
    "data=nothing",
    "data=../data/demo",
    "data=demo,hmdb51",
    "~data",
    "~clip.frames",
    "~model",
    "+data=demo",
    "++data=demo",
    "+new.key=1",
    "new=1",
    "data.new=1",
    "clip.frames.more=1",
    "clip.frames=1,2",
    "clip.frames=range(1,3)",
    "clip.frames=choice(1,2)",
    "clip.frames=${clip.frames}",
    "clip.frames=${nothing}",
    "clip.frames=${oc.env:HOME}",
    "clip.frames=${oc.env:NOTHING}",
    "clip.frames=${",
    "clip.frames=???",
    "data@here=demo",
    "hydra.run.dir=x",
    "hydra=x",
    "hydra/launcher=x",
    "model=cnn3d model.args=null",
    "model.args=null",
    "model.args=[]",
    "model.args.new=1",
    "model.args.widths=[0]",
    "model.args.widths=[]",
    "model.args.widths=[-1]",
    "model.args.widths=[4,x]",
    "model.args.widths=[1000000000]",
    "model.args.dropout=nan",
    "model.args.dropout=-1",
    "model.args.dropout=2",
    "model.network=nothing",
    "model.network=__import__",
    "model.weights=/dev/null",
    "model.weights=nothing",
    "model.weights={a:b}",
    "clip.mean=[]",
    "clip.mean=[nan,nan,nan]",
    "clip.mean=[1,2]",
    "clip.std=[0,0,0]",
    "clip.std=[-1,-1,-1]",
    "clip.std=[inf,1,1]",
    "augment.crop_scale=[0,0]",
    "augment.crop_scale=[nan,1]",
    "augment.crop_ratio=[inf,inf]",
    "augment.erasing_scale=[2,1]",
    "augment.keep_direction=[nobody]",
    "augment.keep_direction=5",
    "data.source_pattern=(",
    "data.source_pattern=(a+)+$",
    "data.sequence_pattern=[",
    "trainer.resume=nothing.ckpt",
    "trainer.resume=/dev/null",
    "trainer.run_dir=/dev/null/x",
    "trainer.run_dir=/proc/x",
    "plots_dir=/dev/null/x",
    "plots_dir=''",
    "data.cache.dir=/dev/null/x",
    "data.videos_dir=/dev/null",
    "data.splits_dir=/dev/null",
    "[" * 2000,
    "clip.frames=" + "[" * 2000,
    "clip.frames=" + "9" * 100_000,
    "clip.frames='",
    'clip.frames="',
    "clip.frames=\\",
    "clip.frames=4 5",
    "clip.frames=4;5",
    "clip.frames=\n4",
    "clip.frames=\x00",
    "clip.frames=\x1b[31m4",
    "\x1b[31m=4",
    "clip.frames=4\u2028",
    "data.nаme=x",  # noqa: RUF001 - a Cyrillic letter is the point
)
# Nothing is trained with these: they say how long it takes, or are not a training's.
NOT_TRAINED = ("trainer.max_epochs", "trainer.patience", "trainer.limit_train_batches", "trainer.limit_val_batches")
NOT_TRAINED += (
    "trainer.compile",
    "trainer.devices",
    "trainer.run_dir",
    "plots_dir",
    "data.kind",
    "trainer.accelerator",
)
TRAINED = ("data.", "model.", "optimizer.", "trainer.")


def warm_up(material: Path) -> None:
    """Import what trains."""
    folder = Path(tempfile.mkdtemp(prefix="warm-up-", dir=material))
    said = run_command(["train", *training_words(material), "trainer.max_epochs=1"], folder)
    assert said.code == 0, said
    keys()


@cache
def keys() -> dict[str, Any]:
    """Every key and its default."""
    from action_recognition.config import flatten, load_config

    return dict(sorted(flatten(load_config(["data=hmdb51"])).items()))


def attempt(chance: Random, number: int, material: Path, work: Path) -> Outcome:
    if number < len(WORDS):
        word, must = WORDS[number], ""
    else:
        word, must = drawn(chance, number)
    folder = work / "in"
    folder.mkdir()
    what = repr(word)[:120]
    outcome = judge_call(lambda: accepted(word), what, right=lambda config: "", must=must)
    key = word.split("=")[0].lstrip("+~")
    if outcome.verdict != RIGHT or key in NOT_TRAINED or not key.startswith(TRAINED):
        return outcome
    base = [given for given in training_words(material) if given.split("=")[0] != key]
    words = ["train", *base, "trainer.max_epochs=1", word]
    said = run_command(words, folder)
    loss = "nan" in said.out.replace("nan_", "") and "loss nan" in said.out
    if loss and not said.code:
        return Outcome(verdict=WRONG, what=what, line="trains to a loss that is no number")
    return judge(said, f"train {what}", right=lambda: checkpoint_is_finite(folder))


def accepted(word: str) -> Any:
    from action_recognition.config import load_config

    return load_config(["data=hmdb51", word])


def checkpoint_is_finite(folder: Path) -> str:
    """Whether what was trained can be used."""
    import torch

    for path in folder.rglob("best.ckpt"):
        state = torch.load(path, weights_only=True)["state_dict"]
        for name, tensor in state.items():
            if tensor.is_floating_point() and not tensor.isfinite().all():
                return f"{name} of best.ckpt is not finite"
    return ""


def drawn(chance: Random, number: int) -> tuple[str, str]:
    """A key with a value; each key comes up."""
    names = list(keys())
    key = names[(number * 7919) % len(names)]
    default = keys()[key]
    if key.startswith(("tune.space.", "model.args.")):  # read by the search and by the network, not by the schema
        return f"{key}={chance.choice((*NO_NUMBERS, *FAR_OUT))}", ""
    if isinstance(default, bool):
        return f"{key}={chance.choice(('abc', 'nan', '[]', '{}', '1.5', chr(39) * 2))}", REFUSED
    if isinstance(default, int | float):
        value = chance.choice(chance.choice((NO_NUMBERS, FAR_OUT)))
        return f"{key}={value}", REFUSED if value in NO_NUMBERS or value == "9" * 400 else ""
    if isinstance(default, list):
        return f"{key}={chance.choice(('5', 'abc', '{a:1}', '[[1]]', '[nan]', '[null]', '[{a:1}]', '[abc]'))}", ""
    return f"{key}={chance.choice(ANYTHING)}", ""
