"""Short questions over HTTP, and the first of many attempts that succeeds."""

import asyncio
import json
import time
import urllib.error
import urllib.request

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
    deadline = loop.time() + timeout_s
    under_way = set()
    won = False
    while not won and loop.time() < deadline:
        under_way |= {loop.create_task(_attempt(address, request)) for address in addresses}
        done, under_way = await asyncio.wait(
            under_way, timeout=ATTEMPT_EVERY_S, return_when=asyncio.FIRST_COMPLETED
        )
        won = any(task.result() for task in done)
        # An attempt that was refused at once is repeated at the pace of the others.
        pause_until = loop.time() + ATTEMPT_EVERY_S / 2
        while not won and loop.time() < pause_until and under_way:
            done, under_way = await asyncio.wait(
                under_way, timeout=pause_until - loop.time(), return_when=asyncio.FIRST_COMPLETED
            )
            won = any(task.result() for task in done)
        if not won and not under_way:
            await asyncio.sleep(ATTEMPT_EVERY_S / 2)
    for task in under_way:
        task.cancel()
    await asyncio.gather(*under_way, return_exceptions=True)
    return won


def first_success_s(addresses, method, path, body=None, timeout_s=60):
    """
    Sends the same request to all addresses again and again, about every 10 ms, without waiting for the
    answers to those before. The seconds until one was answered with 200; None if none was in time.
    """
    payload = b"" if body is None else json.dumps(body).encode()
    request = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
    ).encode() + payload
    start = time.monotonic()
    if not asyncio.run(_first_success(addresses, request, timeout_s)):
        return None
    return time.monotonic() - start
