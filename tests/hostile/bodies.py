"""Bodies sent to the served model, as MLflow's scoring server gets them.

Right is a probability for each class of each video; everything else is a 4xx of one line, without the server's paths.
"""

import base64
import json
import math
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from hostile.damage import damaged
from hostile.material import CONTAINERS, GOOD
from hostile.outcomes import REFUSED, RIGHT, TRACEBACK, WRONG, Outcome

JSON = "application/json"
NONSENSE: tuple[Any, ...] = (
    None, True, -1, 0, 1, 1.5, 10**30, -(10**30), 2**63, "3", "", "x", [], {}, [1], {"a": 1}, math.nan, math.inf,
    [[1]], "9" * 5000, 1e308, [None], "null", "\x1b[31m",
)  # fmt: skip
TYPES = (
    None, "", "text/plain", "text/csv", "application/xml", "application/json; charset=latin-1", "application/json;x=y",
    "APPLICATION/JSON", "application/vnd.apache.parquet", "multipart/form-data; boundary=x", ";", "application/json;",
    "application/octet-stream", "application/x-www-form-urlencoded", "video/mp4",
)  # fmt: skip
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs", "nothing")

_served: list[Any] = []


def warm_up(material: Path) -> None:
    """Load the model into MLflow's server, and answer once."""
    import mlflow.pyfunc
    from mlflow.pyfunc import scoring_server

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fastapi.testclient import TestClient
    model = mlflow.pyfunc.load_model(str(material / "servable"))
    _served.append(TestClient(scoring_server.init(model), raise_server_exceptions=False))
    answer = post(json.dumps(good_body(material)).encode())
    assert answer.status_code == 200, answer.text


def attempt(chance: Random, number: int, material: Path, work: Path) -> Outcome:
    make = MAKERS[number % len(MAKERS)]
    content, what, must = make(material, chance)
    return judged(post(content), what, must, material) if isinstance(content, bytes) else content


def post(content: bytes, content_type: str | None = JSON) -> Any:
    headers = {} if content_type is None else {"Content-Type": content_type}
    return _served[0].post("/invocations", content=content, headers=headers)


def judged(answer: Any, what: str, must: str, material: Path) -> Outcome:
    """What an answer has to be: a 4xx of one line, or probabilities."""
    text = answer.text
    problem = ""
    if TRACEBACK in text or "stack_trace" in text:
        problem = f"a stack trace: {text[-200:]!r}"
    elif leaked := [path for path in (str(material), "site-packages", os.sep + "tmp" + os.sep) if path in text]:
        problem = f"a path of the server: {leaked[0]}: {text[:300]!r}"
    elif answer.status_code >= 500:
        problem = f"status {answer.status_code}: {text[:200]!r}"
    elif answer.status_code == 200:
        problem = "passes silently" if must == REFUSED else no_probabilities(answer)
    elif must == RIGHT:
        problem = f"refused what is right: {text[:300]!r}"
    elif len(text) > 1000:
        problem = f"{len(text)} characters of an answer: {text[:300]!r}"
    if problem:
        return Outcome(verdict=WRONG, what=what, line=problem)
    return Outcome(verdict=RIGHT if answer.status_code == 200 else REFUSED, what=what, line=text[:200])


def no_probabilities(answer: Any) -> str:
    rows = answer.json()["predictions"]
    for row in rows:
        values = list(row["probabilities"].values())
        if not values or not all(math.isfinite(value) and 0 <= value <= 1 for value in values) or sum(values) > 1.001:
            return f"no probabilities: {row}"
    return ""


def good_video(material: Path) -> str:
    return base64.b64encode((material / "good" / GOOD).read_bytes()).decode()


def good_body(material: Path) -> dict[str, Any]:
    return {"dataframe_split": {"columns": ["video"], "data": [[good_video(material)]]}}


Made = tuple[bytes, str, str]


def top_k(material: Path, chance: Random) -> Made:
    value = chance.choice(NONSENSE)
    body = good_body(material) | {"params": {"top_k": value}}
    must = RIGHT if type(value) is int and value in (0, 1) else REFUSED if value is None or value == -1 else ""
    return json.dumps(body).encode(), f"top_k={str(value)[:30]}", must


def params(material: Path, chance: Random) -> Made:
    value = chance.choice((*NONSENSE, {"other": 1}, {"top_k": 1, "more": 2}, {"": 1}, {"top_k": {"top_k": 1}}))
    return json.dumps(good_body(material) | {"params": value}).encode(), f"params={str(value)[:30]}", ""


def cell(material: Path, chance: Random) -> Made:
    """Anything in the place of a video."""
    value = chance.choice((*NONSENSE, "AAAA", "A", "====", "data:video/mp4;base64,AAAA", "é" * 10, "A" * 1_000_000))
    body = {"dataframe_split": {"columns": ["video"], "data": [[value]]}}
    return json.dumps(body).encode(), f"video={str(value)[:30]}", REFUSED


def damaged_video(material: Path, chance: Random) -> Made:
    name = chance.choice((GOOD, *CONTAINERS))
    content, how = damaged((material / "good" / name).read_bytes(), chance)
    body = {"dataframe_split": {"columns": ["video"], "data": [[base64.b64encode(content).decode()]]}}
    return json.dumps(body).encode(), f"{name}: {how}", ""


def no_video(material: Path, chance: Random) -> Made:
    texts = (
        "ffconcat version 1.0\nfile video\n",
        f"ffconcat version 1.0\nfile {material}/good/{GOOD}\n",
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{material}/good/{GOOD}\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/x\n#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        "text " * 100,
        "",
        "\0" * 1000,
    )
    text = chance.choice(texts)
    body = {"dataframe_split": {"columns": ["video"], "data": [[base64.b64encode(text.encode()).decode()]]}}
    return json.dumps(body).encode(), f"the text {text[:40]!r} as a video", REFUSED


def damaged_json(material: Path, chance: Random) -> Made:
    content, how = damaged(json.dumps(good_body(material) | {"params": {"top_k": 1}}).encode(), chance)
    return content, f"JSON: {how}", ""


def strange_json(material: Path, chance: Random) -> Made:
    good = json.dumps(good_body(material))
    choices = {
        "deep lists": "[" * 200_000,
        "deep lists, closed": "[" * 100_000 + "]" * 100_000,
        "deep objects": '{"a":' * 100_000,
        "deep objects, closed": '{"a":' * 100_000 + "1" + "}" * 100_000,
        "deep below a known key": '{"dataframe_split":' + "[" * 50_000 + "]" * 50_000 + "}",
        "deep parameters": good[:-1] + ', "params": ' + '{"top_k":' * 900 + "1" + "}" * 900 + "}",
        "deep lists below a column": '{"inputs": {"video":' + "[" * 900 + "]" * 900 + "}}",
        "100,000 digits": '{"dataframe_split": ' + "9" * 100_000 + "}",
        "top_k of 100,000 digits": good[:-1] + ', "params": {"top_k": ' + "9" * 100_000 + "}}",
        "a fraction of 100,000 digits": good[:-1] + ', "params": {"top_k": 0.' + "9" * 100_000 + "}}",
        "an exponent": good[:-1] + ', "params": {"top_k": 1e99999}}',
        "NaN": '{"dataframe_split": {"columns": ["video"], "data": [[NaN]]}}',
        "Infinity": '{"dataframe_split": Infinity}',
        "empty": "",
        "blank": "   ",
        "null": "null",
        "a list": "[]",
        "a text": '"video"',
        "an empty object": "{}",
        "both forms": good[:-1] + ', "instances": []}',
        "a key twice": good[:-1] + "," + good[1:],
        "a lone surrogate": '{"dataframe_split": {"columns": ["video"], "data": [["\\ud800"]]}}',
        "a lone surrogate as a key": '{"\\ud800": 1}',
        "a byte-order mark": "\ufeff" + good,
        "UTF-16": good,
        "a NUL": "\0" + good,
        "a long key": '{"' + "k" * 1_000_000 + '": 1}',
        "many keys": json.dumps({str(number): number for number in range(50_000)}),
        "messages": '{"messages": [{"role": "user", "content": "x"}]}',
        "a prompt": '{"prompt": "x"}',
        "input": '{"input": "x"}',
    }
    how = chance.choice(sorted(choices))
    text = choices[how]
    content = text.encode("utf-16") if how == "UTF-16" else text.encode()
    right = how in ("a byte-order mark", "UTF-16", "a key twice")
    return content, f"JSON: {how}", "" if right else REFUSED


def other_form(material: Path, chance: Random) -> Made:
    form, video = chance.choice(FORMS), good_video(material)
    value = chance.choice(
        (
            [],
            {},
            None,
            5,
            "x",
            [[video]],
            [{"video": video}],
            [{"clip": video}],
            [{"video": {"b64": video}}],
            {"video": [video]},
            {"video": video},
            {"columns": ["clip"], "data": [[video]]},
            {"columns": ["video", "more"], "data": [[video, 1]]},
            {"columns": ["video", "video"], "data": [[video, video]]},
            {"columns": [], "data": []},
            {"columns": ["video"], "data": []},
            {"columns": ["video"], "data": [[]]},
            {"columns": ["video"], "data": [[video, video]]},
            {"columns": ["video"], "data": [video]},
            {"columns": ["video"], "data": None},
            {"columns": None, "data": [[video]]},
            {"columns": ["video"]},
            {"columns": "video", "data": [[video]]},
            {"columns": ["video"], "data": [[video]], "index": [1, 2]},
            {"columns": [["video"]], "data": [[video]]},
            {"columns": ["video"], "data": [[None]] * 10_000},
            [[[[[[video]]]]]],
            [[1] * 1000] * 1000,
        )
    )
    return json.dumps({form: value}).encode(), f"{form}: {str(value)[:60]}", ""


def many_rows(material: Path, chance: Random) -> Made:
    count, video = chance.choice((2, 20, 200)), good_video(material)
    rows = [[video]] * count
    if chance.random() < 0.5:
        rows[chance.randrange(count)] = [chance.choice(("AAAA", "", None, 5))]
        return json.dumps({"dataframe_split": {"columns": ["video"], "data": rows}}).encode(), "one bad row", REFUSED
    return json.dumps({"dataframe_split": {"columns": ["video"], "data": rows}}).encode(), f"{count} rows", RIGHT


def other_type(material: Path, chance: Random) -> Any:
    """The good body, or bytes, under another content type."""
    content_type = chance.choice(TYPES)
    contents = {
        "the good body": json.dumps(good_body(material)).encode(),
        "a video": (material / "good" / GOOD).read_bytes(),
        "a CSV": f"video\n{good_video(material)}\n".encode(),
        "a broken CSV": b'video\n"' + b"x" * 300_000,
        "Parquet's magic": b"PAR1" + bytes(100) + b"PAR1",
        "nothing": b"",
    }
    what = chance.choice(list(contents))
    answer = post(contents[what], content_type)
    return judged(answer, f"{what} as {content_type}", "", material), "", ""


def other_request(material: Path, chance: Random) -> Any:
    method, path = chance.choice(("GET", "PUT", "DELETE", "OPTIONS", "PATCH")), "/invocations"
    if chance.random() < 0.5:
        method, path = "GET", chance.choice(("/", "/../../etc/passwd", "/invocations/x", "/docs", "/%00", "/nothing"))
    answer = _served[0].request(method, path, content=b"x" * 100)
    if answer.status_code == 200:  # FastAPI's own pages
        return Outcome(verdict=RIGHT, what=f"{method} {path}"), "", ""
    return judged(answer, f"{method} {path}", REFUSED, material), "", ""


MAKERS: tuple[Callable[[Path, Random], Any], ...] = (
    top_k,
    strange_json,
    cell,
    damaged_video,
    other_form,
    damaged_json,
    strange_json,
    no_video,
    params,
    other_type,
    strange_json,
    other_form,
    top_k,
    many_rows,
    other_request,
)
