import pytest

from action_recognition.utils.names import UnsafeNameError, inside_path


@pytest.mark.parametrize(
    "name",
    ["../a", "a/../../b", "/a", "\\a", "C:a", "c:\\a", "\\\\host\\a", "", ".", "a\nb", "a\0", "x" * 256, "é" * 128],
)
def test_names_that_lead_out_or_cannot_be_written(name: str) -> None:
    with pytest.raises(UnsafeNameError):
        inside_path(name)


def test_names_that_are_just_unusual() -> None:
    name = "a..b/# & ( ) ! ; [ ] ~ @ + '/-so/é.avi"
    assert inside_path(name).as_posix() == name
    assert inside_path("./a//b\\c").as_posix() == "a/b/c"
