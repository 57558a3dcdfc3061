"""Whether a Prefect API answers, and where its UI is."""

import os
import time
from contextlib import suppress

import httpx

from ..environment import program

TIMEOUT_SEC = 5.0


def configured() -> str | None:
    """What the environment or Prefect's profile names."""
    from prefect.settings import PREFECT_API_URL

    return PREFECT_API_URL.value()


def answers(url: str) -> bool:
    """Whether a Prefect API is well; it says 503 now and then, and is then asked again."""
    for wait_sec in (0.0, 0.5, 1.0):
        time.sleep(wait_sec)
        try:
            response = httpx.get(f"{url}/health", timeout=TIMEOUT_SEC, follow_redirects=True)
        except (httpx.HTTPError, httpx.InvalidURL):
            return False
        if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            return response.is_success and response.content.strip() == b"true"
    return False


def unanswered(url: str) -> str:
    """What is wrong with a configured API at which nobody answers, and what to do, in any command."""
    in_profile = "PREFECT_API_URL" not in os.environ
    unset = f"{program('prefect')} config unset" if in_profile else "unset"
    return (
        f"PREFECT_API_URL is {url}, but no Prefect server answers there: "
        f"start it, or choose a local one with: {unset} PREFECT_API_URL"
    )


def ui_address(url: str) -> str:
    """Where the UI's pages are: a Prefect server has a new UI, an old one, or both."""
    site = url.removesuffix("/api")
    with suppress(httpx.HTTPError, httpx.InvalidURL, ValueError):
        settings = httpx.get(f"{site}/ui-settings", timeout=TIMEOUT_SEC, follow_redirects=True).json()
        if "v2" in settings.get("available_uis", ()):
            return site + settings["v2_base_url"].rstrip("/")
    return site
