"""The app's half of Tapgate's attestation: small enough to read in one go, whole enough to run."""

import hashlib
import json
import queue
import random
import subprocess
import sys
import time
from base64 import b64decode, urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, List, Optional

import grpc
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.rpc import error_details_pb2, status_pb2
from tapgate.v1 import attestation_service_pb2 as wire
from tapgate.v1 import attestation_service_pb2_grpc as services
from tapgate.v1 import posture_pb2, refusal_pb2, signed_pb2


def connect(address: str, authority_pem: bytes) -> grpc.Channel:
    credentials = grpc.ssl_channel_credentials(root_certificates=authority_pem)
    options = [
        ("grpc.max_receive_message_length", 262_144),
        ("grpc.enable_retries", 0),
        ("grpc.enable_http_proxy", 0),
    ]
    return grpc.secure_channel(address, credentials, options)


def canonical(context: str, *fields: bytes) -> bytes:
    parts = [context.encode("ascii"), *fields]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def sha256(message: bytes) -> bytes:
    return hashlib.sha256(message).digest()


def sign(key: ec.EllipticCurvePrivateKey, context: str, payload: bytes) -> bytes:
    return key.sign(canonical(context, payload), ec.ECDSA(hashes.SHA256()))


def attestation_challenge(nonce: bytes, hello: bytes) -> bytes:
    return sha256(canonical("tapgate/v1/attestation-challenge", nonce, hello))


def attestation_transcript(challenge: bytes, session_public_key: bytes) -> bytes:
    return sha256(challenge + session_public_key)


def resume_transcript(nonce: bytes, hello: bytes) -> bytes:
    return sha256(canonical("tapgate/v1/resume-transcript", nonce, hello))


def thumbprint(public_key: bytes) -> str:
    """RFC 7638 of a P-256 key: SubjectPublicKeyInfo ends with X and Y, 32 bytes each."""
    x, y = (urlsafe_b64encode(part).rstrip(b"=").decode() for part in (public_key[-64:-32], public_key[-32:]))
    members = '{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}' % (x, y)
    return urlsafe_b64encode(sha256(members.encode())).rstrip(b"=").decode()


class ServiceNotTrusted(Exception):
    """What came is not signed by a key that the app's anchor endorses."""


class ServiceTrust:
    def __init__(self, anchor_pem: bytes):
        self._anchor = serialization.load_pem_public_key(anchor_pem)
        self._keys = {}

    def endorse(self, messages: Iterable[signed_pb2.SignedMessage]) -> None:
        """Takes the keys that the anchor endorses, and the anchor that it names as its successor. Leaves out others."""
        for message in messages:
            if verifies(self._anchor, "tapgate/v1/service-anchor", message):
                successor = signed_pb2.ServiceAnchor.FromString(message.payload)
                self._anchor = serialization.load_der_public_key(successor.public_key)  # An app stores it.
                continue
            if not verifies(self._anchor, "tapgate/v1/service-key", message):
                continue
            endorsed = signed_pb2.ServiceKey.FromString(message.payload)
            public_key = serialization.load_der_public_key(endorsed.public_key)
            self._keys[endorsed.key_id] = (public_key, endorsed.not_after)
        if not any(not_after >= time.time() for _, not_after in self._keys.values()):
            raise ServiceNotTrusted("no service key is endorsed now")

    def open(self, context: str, message: signed_pb2.SignedMessage) -> bytes:
        """The payload of what the service signed: verified first, parsed by the caller."""
        public_key, not_after = self._keys.get(message.key_id, (None, 0))
        if public_key is None or not_after < time.time():
            raise ServiceNotTrusted(f"{context}: {message.key_id!r} is no endorsed key")
        if not verifies(public_key, context, message):
            raise ServiceNotTrusted(f"{context}: wrong signature")
        return message.payload


def verifies(public_key: ec.EllipticCurvePublicKey, context: str, message: signed_pb2.SignedMessage) -> bool:
    try:
        public_key.verify(message.signature, canonical(context, message.payload), ec.ECDSA(hashes.SHA256()))
        return True
    except InvalidSignature:
        return False


@dataclass
class AttestedKey:
    private_key: ec.EllipticCurvePrivateKey
    public_key: bytes
    chain: List[bytes]


class VirtualKeystore:
    """The keystore of one virtual phone. `tapgate` is the command line that runs it, as a list."""

    def __init__(self, tapgate: List[str], data: str, phone: str):
        self._command = [*tapgate, "phone", "key", "--data", data, "--phone", phone, "--json"]

    def generate(self, challenge: bytes, purpose: str = "sign") -> AttestedKey:
        command = [*self._command, "--challenge", challenge.hex(), "--purpose", purpose]
        made = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        private_key = serialization.load_pem_private_key(made["privateKey"].encode(), None)
        return AttestedKey(private_key, b64decode(made["publicKey"]), [b64decode(der) for der in made["chain"]])


class Conversation:
    """One bidirectional stream. Without `seconds` it has no deadline."""

    def __init__(self, method, seconds: Optional[float] = 60):
        self._sent = queue.Queue()
        self._call = method(iter(self._sent.get, None), timeout=seconds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._sent.put(None)
        self._call.cancel()

    def ask(self, request):
        self.send(request)
        return self.receive()

    def send(self, request) -> None:
        self._sent.put(request)

    def receive(self):
        try:
            return next(self._call)
        except grpc.RpcError as error:
            raise refusal_of(error) or error from None
        except StopIteration:
            raise ServiceNotTrusted("the stream ended without its answer") from None


@dataclass
class Session:
    key: AttestedKey
    token: str
    expires_at: float
    refresh_after: float


class App:
    """One installation. On a phone all of it outlives the process: keys in the keystore, the rest in a file."""

    def __init__(self, channel: grpc.Channel, trust: ServiceTrust, keystore: VirtualKeystore):
        self.channel = channel
        self.service = services.AttestationServiceStub(channel)
        self.trust = trust
        self.keystore = keystore
        self.posture = posture_pb2.Posture(foreground=True, window_focused=True)
        # Whom the app's payments go to. An app of one acquirer ships its name; this one keeps to that of its first keys.
        self.acquirer: Optional[str] = None
        self.device_id: Optional[str] = None
        self.device_key: Optional[AttestedKey] = None
        self.session: Optional[Session] = None

    def enrol(self, invite_code: str) -> wire.AttestResult:
        earlier = b"" if self.device_key is None else sha256(self.device_key.public_key)
        return self._attest(invite_code=invite_code, device_key_hash=earlier)

    def attest(self) -> wire.AttestResult:
        return self._attest(device_id=self.device_id)

    def _attest(self, **identity) -> wire.AttestResult:
        hello = wire.Hello(package_name="org.tapgate.virtualphone", app_version=1, sdk_level=34, **identity)
        hello_bytes = hello.SerializeToString()
        with Conversation(self.service.Attest) as stream:
            asked = stream.ask(wire.AttestRequest(hello=hello_bytes)).challenge
            self.trust.endorse(asked.service_keys)
            challenge = attestation_challenge(asked.nonce, hello_bytes)
            session_key = self.keystore.generate(challenge)
            if asked.device_key_required:
                self.device_key = self.keystore.generate(challenge)
            evidence = self._evidence(challenge, session_key, asked.device_key_required)
            result = stream.ask(wire.AttestRequest(evidence=evidence)).result
        self.device_id = result.device_id
        self._keep(session_key, result)
        return result

    def _evidence(self, challenge: bytes, session_key: AttestedKey, enrolling: bool) -> wire.Evidence:
        transcript = attestation_transcript(challenge, session_key.public_key)
        posture = self.posture.SerializeToString()
        return wire.Evidence(
            session_key_chain=session_key.chain,
            device_key_chain=self.device_key.chain if enrolling else [],
            session_signature=sign(session_key.private_key, "tapgate/v1/evidence", transcript + posture),
            device_signature=sign(self.device_key.private_key, "tapgate/v1/device-key", transcript),
            posture=posture,
        )

    def _keep(self, key: AttestedKey, result: wire.AttestResult) -> None:
        self.session = Session(key, result.device_token, unix(result.expires_at), unix(result.refresh_after))

    def resume(self) -> wire.AttestResult:
        key = self.session.key
        hello = wire.ResumeHello(device_id=self.device_id, session_key_thumbprint=thumbprint(key.public_key))
        hello_bytes = hello.SerializeToString()
        with Conversation(self.service.Resume) as stream:
            asked = stream.ask(wire.ResumeRequest(hello=hello_bytes)).challenge
            self.trust.endorse(asked.service_keys)
            posture = self.posture.SerializeToString()
            payload = resume_transcript(asked.nonce, hello_bytes) + posture
            signature = sign(key.private_key, "tapgate/v1/resume", payload)
            proof = wire.ResumeProof(session_signature=signature, posture=posture)
            result = stream.ask(wire.ResumeRequest(proof=proof)).result
        self._keep(key, result)
        return result

    def refresh(self) -> wire.AttestResult:
        """At every start of the process, and from `refresh_after` on."""
        try:
            return self.resume() if self.session else self.attest()
        except Refused as refused:
            if refused.code not in ("ATTESTATION_DUE", "SESSION_UNKNOWN"):
                raise
            return self.attest()


def unix(timestamp) -> float:
    return timestamp.seconds + timestamp.nanos / 1e9


class Refused(Exception):
    """The service refused: `code` decides, `reasons` are all rows of the catalogue that it states."""

    def __init__(self, code: str, reasons: List[refusal_pb2.RefusalReason], retry_after: Optional[float], call: str):
        super().__init__(f"{code} (call {call})")
        self.code = code
        self.reasons = reasons
        self.retry_after = retry_after


def refusal_of(error: grpc.RpcError) -> Optional[Refused]:
    trailers = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers.get("grpc-status-details-bin", b""))
    info, refusal, retry = error_details_pb2.ErrorInfo(), refusal_pb2.Refusal(), error_details_pb2.RetryInfo()
    for detail in status.details:
        for message in (info, refusal, retry):
            detail.Unpack(message)
    if info.domain != "tapgate":
        return None
    delay = retry.retry_delay.ToTimedelta().total_seconds() if retry.HasField("retry_delay") else None
    return Refused(info.reason, list(refusal.reasons), delay, info.metadata["call"])


CUT = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)


def pause(error: Exception, attempt: int) -> Optional[float]:
    """Seconds until the same step may be tried again; None where trying again cannot help."""
    backoff = random.uniform(0, min(60, 2**attempt))
    if not isinstance(error, Refused):
        return backoff if isinstance(error, grpc.RpcError) and error.code() in CUT else None
    retry = error.reasons[0].retry if error.reasons else refusal_pb2.RETRY_NO
    if retry == refusal_pb2.RETRY_LATER:
        return backoff if error.retry_after is None else error.retry_after
    return backoff if retry == refusal_pb2.RETRY_NOW and attempt <= 3 else None


def main(data: str, invite_code: str, *tapgate: str) -> None:
    folder = Path(data)
    port = json.loads((folder / "addresses.json").read_text())["device"]["port"]
    channel = connect(f"localhost:{port}", (folder / "certs/device/ca.crt").read_bytes())
    trust = ServiceTrust((folder / "service-anchor.pem").read_bytes())
    app = App(channel, trust, VirtualKeystore(list(tapgate), data, f"phone-{invite_code}.json"))
    print("enrolled as", app.enrol(invite_code).device_id)
    print("resumed, token until", app.refresh().expires_at.ToJsonString())


if __name__ == "__main__":
    main(*sys.argv[1:])
