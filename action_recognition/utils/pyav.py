"""What PyAV is told to open any file. Only modules that need PyAV import this one."""

from typing import Any

import av

# Names of a file's chapters and titles may not be UTF-8. PyAV 19 reads such by itself.
ANY_NAMES: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
