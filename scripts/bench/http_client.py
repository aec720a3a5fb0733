"""Short questions over HTTP, and the first of many attempts that succeeds."""

import asyncio
import json
import time
import urllib.error
import urllib.request

from processes import Failure

ATTEMPT_EVERY_S = 0.01
ATTEMPT_TIMEOUT_S = 5


def ask(method, url, body=None, timeout_s=2):
    """The parsed answer, or None if there was none or it was a refusal."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            return json.load(answer)
    except (OSError, ValueError, urllib.error.HTTPError):
        return None


async def _attempt(address, request):
    host, port = address.rsplit(":", 1)
    try:
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(request)
            status = await asyncio.wait_for(reader.readline(), ATTEMPT_TIMEOUT_S)
        finally:
            writer.close()
    except (OSError, asyncio.TimeoutError):
        return False
    return status.startswith(b"HTTP/1.") and status.split()[1] == b"200"


async def _first_success(addresses, request, timeout_s):
    loop = asyncio.get_running_loop()
    next_start = loop.time()
    deadline = next_start + timeout_s
    under_way, won = set(), False
    while not won and loop.time() < deadline:
        if loop.time() >= next_start:
            under_way |= {loop.create_task(_attempt(address, request)) for address in addresses}
            next_start = loop.time() + ATTEMPT_EVERY_S
        pause_s = max(0, next_start - loop.time())
        if under_way:
            done, under_way = await asyncio.wait(
                under_way, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED
            )
            won = any(task.result() for task in done)
        else:
            await asyncio.sleep(pause_s)
    for task in under_way:
        task.cancel()
    await asyncio.gather(*under_way, return_exceptions=True)
    return won


def first_success_s(addresses, method, path, body=None, timeout_s=60):
    """
    Sends the same request to all addresses again and again, about every 10 ms, without waiting for the
    answers to those before. The seconds until one was answered with 200.
    """
    payload = b"" if body is None else json.dumps(body).encode()
    request = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
    ).encode() + payload
    start = time.monotonic()
    if not asyncio.run(_first_success(addresses, request, timeout_s)):
        raise Failure(
            f"{method} {path} had no success within {timeout_s} s at any of {' '.join(addresses)}"
        )
    return time.monotonic() - start
