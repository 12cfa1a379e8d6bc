"""Kinds of data sets, a file each."""

from action_recognition.datasets import hmdb51, ucf101
from action_recognition.datasets.official import OfficialSource

# By `data.kind`. Other kinds are split here, by source video.
OFFICIAL_SOURCES: dict[str, OfficialSource] = {"demo": hmdb51, "hmdb51": hmdb51, "ucf101": ucf101}
