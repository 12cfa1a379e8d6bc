"""Items made ahead of their use, in a thread."""

from collections.abc import Generator, Iterator
from queue import Queue
from threading import Event, Thread
from typing import TypeVar

Item = TypeVar("Item")
_END = object()


def made_ahead(items: Iterator[Item], *, most: int) -> Generator[Item]:
    """The same items in the same order, made by a thread that is at most `most` items ahead.

    An exception is raised at its item's turn. If the consumer stops early, the thread ends after the item it is making.
    """
    queue: Queue[object] = Queue(maxsize=most)
    is_wanted = Event()
    is_wanted.set()
    failed: list[BaseException] = []

    def make() -> None:
        try:
            for item in items:
                queue.put(item)
                if not is_wanted.is_set():
                    return
        except BaseException as error:
            failed.append(error)
        finally:
            if isinstance(items, Generator):  # files that it has open are closed before the consumer goes on
                items.close()
            queue.put(_END)

    thread = Thread(target=make, name="ahead", daemon=True)
    thread.start()
    try:
        while (item := queue.get()) is not _END:
            yield item  # type: ignore[misc]
    finally:
        is_wanted.clear()
        while thread.is_alive():
            if not queue.empty():
                queue.get()
            thread.join(0.01)
    if failed:
        raise failed[0]
