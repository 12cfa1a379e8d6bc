"""What words of the command line name: files, folders, patterns, lists, URLs, cameras, standard input."""

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from helpers.colour_backend import RED, coloured
from helpers.support import ROOT, write_video
from helpers.tiny_models import exported_bytes
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from action_recognition.cli.command import split_words
from action_recognition.errors import UserError
from action_recognition.inference.inputs.expand import as_clips, expand_inputs
from action_recognition.inference.inputs.given import Camera, Url


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def expanded(*words: str) -> list[str]:
    return list(map(str, expand_inputs(words)))


def test_inputs_are_files_and_folders(tmp_path: Path) -> None:
    touch("b.mp4", "a.AVI", "deep/er/c.webm", "notes.md", ".hidden.mp4", ".trash/d.mp4", "named")
    found = expand_inputs([f"{tmp_path}/named", f"{tmp_path}", f"{tmp_path}/b.mp4"])
    assert [path.relative_to(tmp_path).as_posix() for path in found if isinstance(path, Path)] == [
        "named",
        "a.AVI",
        "b.mp4",
        "deep/er/c.webm",
    ]


def test_inputs_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere: no such file or folder; expected a file, folder, quoted pattern"):
        expand_inputs([str(tmp_path / "nowhere")])
    touch("notes.md")
    with pytest.raises(UserError, match=r"no videos in this folder; expected \.3gp, \.avi"):
        expand_inputs([str(tmp_path)])


@pytest.mark.parametrize("given", ["", " ", "\t"])
def test_an_empty_name_is_no_folder(given: str) -> None:
    write_video(Path("a.avi"), coloured((8, RED)))
    with pytest.raises(UserError, match="expected the name of one"):
        expand_inputs([given])
    assert expand_inputs(["."]) == [Path("a.avi")]


NAMES = [
    "2024",
    "0",
    "1e3",
    "a=b.mp4",
    "model=x3d",
    "two words.mp4",
    "clip[1].mp4",
    "*.mp4",
    "img_%04d.png",
    "@list.txt.mp4",
    "-x.mp4",
    "--help.mp4",
    "été 日本.mp4",
    "~data",
    "#1.mp4",
    "12:30.mp4",
    "null",
    "{a}.mp4",
    "x\udcff.mp4",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("is_folder", [False, True])
def test_a_name_that_exists_is_just_that(name: str, is_folder: bool) -> None:
    touch("other.mp4", f"{name}/in.mp4" if is_folder else name)
    inputs, overrides = split_words([name, "predict.top_k=1"])
    assert (inputs, overrides) == ([name], ["predict.top_k=1"])
    assert expanded(*inputs) == ([f"{name}/in.mp4"] if is_folder else [name])


TREE = (
    "clips/a.mp4",
    "clips/b.MOV",
    "clips/c.jpg",
    "clips/deep/er/d.mp4",
    "clips/.hidden/e.mp4",
    "clips/.f.mp4",
    "my [old] clips/a1.mp4",
    "my [old] clips/a2.mp4",
    "raw/a.dat",
    "raw/b.dat",
)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("clips/*.mp4", ["clips/a.mp4"]),
        ("clips/**/*.mp4", ["clips/a.mp4", "clips/deep/er/d.mp4"]),
        ("./clips/**/d.*", ["clips/deep/er/d.mp4"]),
        ("clips/.*/*.mp4", ["clips/.hidden/e.mp4"]),
        ("clips/*", ["clips/a.mp4", "clips/b.MOV", "clips/deep/er/d.mp4"]),
        ("clips/**", ["clips/a.mp4", "clips/b.MOV", "clips/deep/er/d.mp4"]),
        ("cl?ps/[ab].*", ["clips/a.mp4", "clips/b.MOV"]),
        ("cl*/*.jpg", ["clips/c.jpg"]),
        ("my [old] clips/a[2-9].mp4", ["my [old] clips/a2.mp4"]),
        ("raw/*.dat", ["raw/a.dat", "raw/b.dat"]),
    ],
)
def test_patterns(pattern: str, expected: Sequence[str], tmp_path: Path) -> None:
    touch(*TREE)
    if pattern == "cl*/*.jpg":
        expected = ["clips"]  # all images of the folder are one sequence
        Path("clips/more.gif").touch()
    assert expanded(pattern) == expected
    assert expanded(f"{tmp_path}/{pattern}") == [str(tmp_path / name) for name in expected]


@pytest.mark.parametrize(
    "pattern", ["clips/*.avi", "clips/[", "c*/nowhere/*.mp4", "**/*.x", "[", "*", "**.mp4", "\0*", "a" * 5000]
)
def test_patterns_that_nothing_matches(pattern: str) -> None:
    Path("clips").mkdir()
    with pytest.raises(UserError, match="no such file or folder; expected a file, folder, quoted pattern") as raised:
        expand_inputs([pattern])
    assert "\n" not in str(raised.value)


FRAMES = [f"wave/S1-T{number}-depth.png" for number in range(1, 13)]


@pytest.mark.parametrize(
    ("word", "shown", "images"),
    [
        ("wave", "wave", [*FRAMES, "wave/cover.png"]),
        ("wave/S1-T*-depth.png", "wave/S1-T*-depth.png", FRAMES),
        ("wave/S1-T%d-depth.png", "wave/S1-T*-depth.png", FRAMES),
        ("wave/S1-T%02d-depth.png", "wave/S1-T*-depth.png", FRAMES),
        ("wave/S1-T%d-depth.png[2:5]", "wave/S1-T*-depth.png[2:5]", FRAMES[2:5]),
        ("wave[2:5]", "wave[2:5]", FRAMES[2:5]),
        ("w*/S1-T*-depth.png", "wave/S1-T*-depth.png", FRAMES),
        ("wave/*.png", "wave", [*FRAMES, "wave/cover.png"]),
    ],
)
def test_images_are_a_sequence_or_clips_of_their_own(word: str, shown: str, images: list[str]) -> None:
    touch(*FRAMES, "wave/cover.png")
    found = expand_inputs([word])
    assert list(map(str, found)) == [shown]
    assert as_clips(found, frames=8) == found
    assert list(map(str, as_clips(found, frames=1))) == images


def test_a_sequence_in_each_of_many_folders() -> None:
    touch("a/T1.png", "a/T2.png", "b/T1.png", "b/T2.png", "b/cover.png")
    assert expanded("*/T*.png") == ["a/T*.png", "b/T*.png"]
    assert expanded("[ab]") == ["a", "b"]
    assert expanded("?/T[12].png") == ["a", "b/T1.png", "b/T2.png"]


LIST = """# clips of last week

one.mp4
  sub/two words.mp4\t
sub
https://host/three.mp4#t=3
0
../lists/*.mov
elsewhere.mp4
gone.mp4
"""


@pytest.mark.parametrize("word", ["lists/all.txt", "@lists/all.txt"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_lists(word: str, line_end: str, encoding: str) -> None:
    touch("lists/one.mp4", "one.mp4", "lists/sub/two words.mp4", "lists/x.mov", "elsewhere.mp4")
    Path("lists/all.txt").write_bytes(LIST.replace("\n", line_end).encode(encoding))
    assert split_words([word, "@params.yaml"]) == ([word], ["@params.yaml"])
    assert expanded(word) == [
        "lists/one.mp4",
        "lists/sub/two words.mp4",
        "https://host/three.mp4#t=3",
        "camera 0",
        "lists/../lists/x.mov",
        "elsewhere.mp4",
        "lists/gone.mp4",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "list.txt: an empty list; expected a path or a URL on each line"),
        (b"\n# nothing\n", "list.txt: an empty list"),
        ("a.mp4\n".encode("utf-16"), "list.txt: not a list; expected UTF-8 text"),
        (b"a.mp4\nsome words\n", "list.txt, line 2: some words: no such file or folder"),
        (b"a.mp4\n\nlist.txt\n", "list.txt, line 3: list.txt: a list in a list"),
        (b"@list.txt\n", "list.txt, line 1: @list.txt: no such file"),
        (b"s3://bucket/a.mp4", "list.txt, line 1: s3://bucket/a.mp4: scheme s3, expected http, https"),
        (b"\xff\xfe\n", r"list.txt, line 1: \xff\xfe: no such file"),
    ],
)
def test_lists_that_are_none(content: bytes, message: str) -> None:
    touch("a.mp4")
    Path("list.txt").write_bytes(content)
    with pytest.raises(UserError) as raised:
        expand_inputs(["list.txt"])
    assert str(raised.value).startswith(message)


def test_a_list_that_is_not_there() -> None:
    for word in ("list.txt", "@list.txt"):
        with pytest.raises(UserError, match=r"list\.txt: no such file"):
            expand_inputs([word])


@pytest.mark.parametrize(
    ("word", "name", "stem"),
    [
        ("https://user:pw@host/clips/a.b.mp4?token=secret&x=1", "a.b.mp4", "a.b"),
        ("http://host:8080/live/index.m3u8", "index.m3u8", "index"),
        ("rtsp://user:pw@10.0.0.2:554/", "10.0.0.2", "10.0.0"),
        ("RTSP://cam/stream1", "stream1", "stream1"),
        ("rtmp://host/app/key", "key", "key"),
        ("udp://@:1234", "stream", "stream"),
    ],
)
def test_urls_have_no_passwords_in_their_text(word: str, name: str, stem: str) -> None:
    (url,) = expand_inputs([word])
    assert isinstance(url, Url)
    assert (url.address, url.name) == (word, name)
    assert not any(secret in f"{url} {url!r} {url.name}" for secret in ("pw", "secret"))
    assert pickle.loads(pickle.dumps(url)) == url
    assert split_words([word, "predict.top_k=2"])[0] == [word]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("ftp://u:pw@host/a.mp4", "ftp://***@host/a.mp4: scheme ftp, expected http, https, rtsp"),
        ("http://", "http://: no host; expected http://HOST/..."),
        ("http://[1/a.mp4", "http://[1/a.mp4: not a URL"),
        ("file://other/a.mp4", "file://other/a.mp4: expected a file of this machine: file:///FOLDER/FILE"),
        ("file:///nowhere.mp4", "file:///nowhere.mp4: no such file or folder"),
        ("file:///**", "file:///**: no such file or folder"),
    ],
)
def test_urls_that_cannot_be_read(word: str, message: str) -> None:
    with pytest.raises(UserError) as raised:
        expand_inputs([word])
    assert str(raised.value).startswith(message)


def test_file_urls(tmp_path: Path) -> None:
    touch("a b%é.mp4", "folder/c.mp4")
    for name in ("a b%é.mp4", "folder/c.mp4"):
        assert expanded((tmp_path / name).as_uri()) == [str(tmp_path / name)]
    assert expanded(f"file://localhost{tmp_path}/folder") == [str(tmp_path / "folder/c.mp4")]


def test_cameras() -> None:
    assert expand_inputs(["0", "63", "0"]) == [Camera(0), Camera(63)]
    assert [(str(camera), camera.name, camera.stem) for camera in expand_inputs(["2"])] == [
        ("camera 2", "camera 2", "camera-2")
    ]
    assert expand_inputs(["/dev/video7"]) == [Camera(7)]
    for word in ("64", "2024", "00", "-1", "1.0", "²", "/dev/video"):
        with pytest.raises(UserError, match="no such file or folder"):
            expand_inputs([word])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from("a.*?[]%d0-:@~#!\\ \n\0é\udcff{}'\"1"), max_size=12) | st.text(max_size=12))
def test_any_word_is_an_input_or_one_line(word: str) -> None:
    touch("a", "0a.mp4")
    assume("/" not in word and not word.startswith(".") and word.strip() != "-")
    with suppress(UserError):
        assert expand_inputs([word])


def predict(words: Sequence[str], stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run the command itself, with something piped in."""
    Path("model.onnx").write_bytes(exported_bytes())
    Path("temporary").mkdir()
    command = [sys.executable, "-m", "action_recognition", "predict", *words]
    command += ["predict.backend=onnx", "predict.model=model.onnx", "predict.device=cpu"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(Path("temporary").absolute())}
    done = subprocess.run(command, input=stdin, env=environment, capture_output=True)
    assert list(Path("temporary").glob("*action*")) == []
    return done


def test_a_video_on_standard_input() -> None:
    """Beside a folder whose name is a number; `video_dir` needs the video a second time."""
    path = write_video(Path("2024/a.avi"), coloured((8, RED)))
    done = predict(["2024", "-", "predict.video_dir=labelled"], path.read_bytes())
    assert done.returncode == 0, done.stderr
    first, second = (line for line in done.stdout.decode().splitlines() if line.startswith(("2024", "stdin")))
    assert first.split()[0] == "2024/a.avi"
    assert second.split()[0] == "stdin"
    assert first.split()[1:] == second.split()[1:]
    assert {path.name for path in Path("labelled").iterdir()} == {"a.labelled.mp4", "stdin.labelled.mp4"}


def test_nothing_on_standard_input() -> None:
    done = predict(["-"], b"")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, b"error: stdin: empty file")
