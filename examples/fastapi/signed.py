"""Only the orchestrator may call: each request has its signature (RFC 9421), which is checked before a route sees it.

SIGNED_CALLS_KEYS  the orchestrator's public keys: the URL of its /.well-known/jwks.json, or a file with what
                   `orchestrateur signing-keys public` prints
SIGNED_CALLS_HOST  this service's host as definitions name it, such as stock.example.com:8000. Without it, the request's `Host`
                   is believed: then a call that was made to another service could be repeated here while it is young
"""

import json
import os
import threading
import time
from base64 import urlsafe_b64decode
from datetime import timedelta
from types import SimpleNamespace
from urllib.request import urlopen

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from http_message_signatures import HTTPMessageVerifier, HTTPSignatureKeyResolver, InvalidSignature, algorithms
from starlette.concurrency import run_in_threadpool

AGE_MAX = timedelta(minutes=1)
BODY_BYTES_MAX = 1024 * 1024
KEYS_KEPT_S = 300
KEYS_ASKED_AGAIN_AFTER_S = 5
COVERED = ("@method", "@authority", "@path", "@query", "idempotency-key", "content-digest")


class Keys(HTTPSignatureKeyResolver):
    """The public keys by their ids. They are read again after some minutes, and when an unknown one is used."""

    def __init__(self, source: str):
        self.source, self.keys, self.read_at = source, {}, float("-inf")
        self.one_at_a_time = threading.Lock()

    def resolve_public_key(self, key_id: str):
        with self.one_at_a_time:
            age = time.monotonic() - self.read_at
            if age > KEYS_KEPT_S or (key_id not in self.keys and age > KEYS_ASKED_AGAIN_AFTER_S):
                self.keys, self.read_at = self.read(), time.monotonic()
            return self.keys.get(key_id)

    def read(self) -> dict:
        is_url = self.source.startswith(("http://", "https://"))
        with urlopen(self.source, timeout=5) if is_url else open(self.source, "rb") as answer:
            text = answer.read(BODY_BYTES_MAX)
        try:
            keys = [key for key in json.loads(text)["keys"] if key.get("crv") == "Ed25519"]
            public = {key["kid"]: urlsafe_b64decode(key["x"] + "==") for key in keys}
            return {kid: Ed25519PublicKey.from_public_bytes(x) for kid, x in public.items()}
        except (ValueError, KeyError) as error:
            raise OSError(f"{self.source} has no JWK set: {error}") from error


def refused(status: int, detail: str):
    return JSONResponse({"detail": detail}, status)


def only_signed_calls(app: FastAPI, source: str, host: str | None = None, but: tuple[str, ...] = ()):
    """Has `app` answer signed calls alone, except at the paths `but`."""
    verifier = HTTPMessageVerifier(signature_algorithm=algorithms.ED25519, key_resolver=Keys(source))

    def check(message):
        return verifier.verify(
            message, max_age=AGE_MAX, expect_tag="orchestrateur", require_components=COVERED
        )

    @app.middleware("http")
    async def checked(request: Request, call_next):
        if request.url.path in but:
            return await call_next(request)
        # As they were sent: `request.url` has the path decoded.
        path, query = (request.scope[part].decode("latin-1") for part in ("raw_path", "query_string"))
        authority = host or request.headers.get("host", "")
        url = f"{request.url.scheme}://{authority}{path}" + (f"?{query}" if query else "")
        message = SimpleNamespace(method=request.method, url=url, headers=request.headers)
        if int(request.headers.get("content-length", 0)) > BODY_BYTES_MAX or "transfer-encoding" in request.headers:
            return refused(413, f"a body has a Content-Length, of at most {BODY_BYTES_MAX} bytes")
        try:
            results = await run_in_threadpool(check, message)
            verifier.verify_body(message, results, await request.body())
        except InvalidSignature as error:
            if isinstance(error.__cause__, OSError):  # the keys could not be read: another attempt may help
                return refused(503, f"the orchestrator's keys cannot be read: {error}")
            return refused(401, f"this service takes calls of the orchestrator alone: {error}")
        return await call_next(request)


def from_environment(app: FastAPI, but: tuple[str, ...] = ()):
    """The same as the environment says; without SIGNED_CALLS_KEYS, calls need no signature."""
    if source := os.environ.get("SIGNED_CALLS_KEYS"):
        only_signed_calls(app, source, os.environ.get("SIGNED_CALLS_HOST"), but)
