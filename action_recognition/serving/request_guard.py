"""Makes MLflow's scoring server answer wrong requests with one line and a 4xx.

MLflow's own server answers a body that its JSON parser rejects with 500, sends stack traces with the server's paths,
repeats the whole body in its messages, waits for a slow body as long as for a prediction, and accepts bodies of any
size. No setting changes this, so two of its functions are wrapped when a model is loaded inside it. Versions of MLflow
without these functions are left unchanged.
"""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from functools import wraps
from typing import Any

from mlflow.environment_variables import MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ErrorCode

SCORING_SERVER = "mlflow.pyfunc.scoring_server"
# Base64 of a video of 190 MB. Each body is held in memory several times over.
MAX_BODY_BYTES = 256 * 2**20
# Of the time that MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT gives a request; the rest is the prediction's.
BODY_SHARE = 0.5
LONGEST_MESSAGE = 300
REPEATS_DATA = ("Failed to predict data", "Failed to enforce schema of data")

Message = MutableMapping[str, Any]
_logger = logging.getLogger(__name__)


class BodyTooLargeError(Exception):
    """A request of more than `MAX_BODY_BYTES`."""


def guard_scoring_server() -> None:
    """Wrap the scoring server if this process is one, and it is not wrapped already."""
    server = sys.modules.get(SCORING_SERVER)
    for name, wrap in (("invocations", _guarded_scoring), ("_async_catch_mlflow_exception", _guarded_endpoint)):
        function = getattr(server, name, None)
        if callable(function) and not hasattr(function, "guards"):
            guarded = wrap(function)
            guarded.guards = function  # type: ignore[attr-defined]
            setattr(server, name, guarded)


def one_line(message: str) -> str:
    """MLflow's message without the data that it repeats."""
    said = message.split("\nInput:")[0]
    if said.startswith(REPEATS_DATA):
        said = said.rsplit("Error: ", 1)[-1]
    line = " ".join(said.split()) or "the request cannot be used"
    return line if len(line) <= LONGEST_MESSAGE else f"{line[:LONGEST_MESSAGE]}..."


def _guarded_scoring(score: Callable[..., Any]) -> Callable[..., Any]:
    """Parsing and prediction: every exception becomes an `MlflowException` of one line, without a stack trace."""

    @wraps(score)
    def guarded(data: Any, content_type: str | None, *others: Any, **named: Any) -> Any:
        try:
            return score(data, content_type or "", *others, **named)
        except MlflowException as error:
            if "stack_trace" in error.json_kwargs:
                _logger.warning("a request could not be answered:\n%s", error.json_kwargs["stack_trace"])
            raise MlflowException(one_line(error.message), error_code=ErrorCode.Value(error.error_code)) from None
        except RecursionError:
            raise MlflowException.invalid_parameter_value("the body is nested too deeply") from None
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            # The model's own exceptions come as `MlflowException`: this is what the body's values did to a parser.
            _logger.warning("a body could not be read", exc_info=True)
            reason = one_line(str(error))
            raise MlflowException.invalid_parameter_value(f"the body cannot be read: {reason}") from None

    return guarded


def _guarded_endpoint(catch: Callable[..., Any]) -> Callable[..., Any]:
    """The endpoint's decorator: refuses a body that is too late or too large."""
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response

    @wraps(catch)
    def decorate(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        answer = catch(endpoint)
        seconds = BODY_SHARE * float(MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT.get())

        @wraps(endpoint)
        async def guarded(request: Request) -> Response:
            limited = Request(request.scope, _limited(request.receive, seconds=seconds))
            try:
                await limited.body()
                return await answer(limited)
            except TimeoutError:
                return refusal(408, f"the body did not come within {seconds:g} s")
            except BodyTooLargeError:
                return refusal(413, f"the body is larger than {MAX_BODY_BYTES} bytes")

        return guarded

    def refusal(status: int, message: str) -> JSONResponse:
        content = {"error_code": "BAD_REQUEST", "message": message}
        return JSONResponse(content, status_code=status, headers={"Connection": "close"})

    return decorate


def _limited(receive: Callable[[], Awaitable[Message]], *, seconds: float) -> Callable[[], Awaitable[Message]]:
    """`receive` until `seconds` from the first call on, or `MAX_BODY_BYTES`, are over."""
    ends: float | None = None
    size_bytes, is_whole = 0, False

    async def limited() -> Message:
        nonlocal ends, size_bytes, is_whole
        if is_whole:
            return await receive()
        now = asyncio.get_running_loop().time()
        ends = now + seconds if ends is None else ends
        async with asyncio.timeout(max(0.0, ends - now)):
            message = await receive()
        size_bytes += len(message.get("body", b""))
        is_whole = not message.get("more_body", False)
        if size_bytes > MAX_BODY_BYTES:
            raise BodyTooLargeError
        return message

    return limited
