from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def own_dvc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Neither the caches nor the settings nor the SSH keys of whoever runs the tests."""
    folder = tmp_path_factory.mktemp("dvc")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG"):
            patch.setenv(f"DVC_{name}_DIR", str(folder / name))
        patch.setenv("DVC_NO_ANALYTICS", "1")
        patch.setenv("HOME", str(folder / "home"))
        patch.delenv("SSH_AUTH_SOCK", raising=False)
        yield
