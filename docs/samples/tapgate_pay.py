"""The app's half of a payment: session, grant, tap, PIN and the signed intent, from phone to gate."""

import json
import queue
import secrets
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Protocol

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tapgate.v1 import payment_gate_service_pb2 as gate
from tapgate.v1 import pin_entry_service_pb2 as pin_entry
from tapgate.v1 import pin_entry_service_pb2_grpc, posture_pb2, refusal_pb2, session_service_pb2_grpc
from tapgate.v1 import session_service_pb2 as wire
from tapgate.v1 import transaction_pb2 as terms_wire

from tapgate_app import App, Conversation, Refused, ServiceNotTrusted, ServiceTrust, VirtualKeystore
from tapgate_app import canonical, connect, sha256, thumbprint, unix
from tapgate_keys import DATA_ENCRYPTION, PIN_ENCRYPTION, Registers, TransactionKey, inject, signed_by

NONE = terms_wire.CARDHOLDER_VERIFICATION_NONE
ONLINE_PIN = terms_wire.CARDHOLDER_VERIFICATION_ONLINE_PIN


@dataclass
class Transaction:
    """A grant, and the keys at its counters."""

    grant: terms_wire.TransactionGrant
    grant_hash: bytes
    pin: TransactionKey
    account_data: TransactionKey


class OpenSession:
    """One stream of SessionService.Open: reports in time, keeps directives, begins transactions."""

    REPORT_AFTER = 0.6  # of the time that the service gives

    def __init__(self, app: App, keys: Dict[str, Registers]):
        self.app = app
        self.keys = keys
        self.directives: Dict[int, wire.Directive] = {}
        self._nonce, self._report_at = b"", None
        self._heard = queue.Queue()
        self._stream = Conversation(session_service_pb2_grpc.SessionServiceStub(app.channel).Open, seconds=None)

    def __enter__(self) -> "OpenSession":
        threading.Thread(target=self._listen, daemon=True).start()
        self._stream.send(wire.OpenRequest(open=wire.SessionOpen(device_token=self.app.session.token)))
        self._until("report_due")
        self.report()
        self._until("opened")
        self._until("report_due")
        return self

    def __exit__(self, *_) -> None:
        self._stream.__exit__()

    def report(self) -> None:
        """Answers the latest nonce; each one once."""
        report = posture_pb2.PostureReport(nonce=self._nonce, posture=self.app.posture)
        self._report_at = None
        signed = signed_by(self.app.session.key, "tapgate/v1/posture-report", report)
        self._stream.send(wire.OpenRequest(report=signed))

    def stay(self, seconds: float) -> List[wire.Directive]:
        """Keeps the session so long, and answers what it was told. Raises Refused where the service ends it."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._report_at is not None and time.monotonic() >= self._report_at:
                self.report()
            wake = until if self._report_at is None else min(until, self._report_at)
            self._next(max(0.0, wake - time.monotonic()))
        told, self.directives = list(self.directives.values()), {}
        return told

    def begin(self, terms: terms_wire.TransactionTerms, parent_grant_id: str = "") -> Transaction:
        """Raises Refused; the session goes on."""
        pin, account_data = self.keys["pin"].advance(), self.keys["account-data"].advance()
        # Here an app stores both registers: a counter that was sent is never sent again.
        ksns = {"pin_ksn": pin.ksn, "account_data_ksn": account_data.ksn}
        begin = wire.BeginTransaction(nonce=self._nonce, terms=terms, parent_grant_id=parent_grant_id, **ksns)
        signed = signed_by(self.app.session.key, "tapgate/v1/begin-transaction", begin)
        self._stream.send(wire.OpenRequest(begin_transaction=signed))
        answer = self._until("grant", "transaction_refused")
        if answer.HasField("transaction_refused"):
            raise refused(answer.transaction_refused.refusal)
        payload = self.app.trust.open("tapgate/v1/grant", answer.grant)
        grant = terms_wire.TransactionGrant.FromString(payload)
        ours = (thumbprint(self.app.session.key.public_key), self.app.acquirer, terms, pin.ksn)
        if (grant.session_key_thumbprint, grant.acquirer, grant.terms, grant.pin_ksn) != ours:
            raise ServiceNotTrusted("the grant is for something else")
        if not parent_grant_id and grant.account_data_ksn != account_data.ksn:
            raise ServiceNotTrusted("the grant is for another key serial number")
        return Transaction(grant, sha256(payload), pin, account_data)

    def _until(self, *kinds: str) -> wire.OpenResponse:
        """The next message of these kinds. Reports that become due before it are made at once."""
        while True:
            message = self._next(15)
            if message is None:
                raise ServiceNotTrusted(f"none of {kinds} came")
            kind = message.WhichOneof("message")
            if kind in kinds:
                return message
            if kind == "report_due":
                self.report()

    def _next(self, seconds: float) -> Optional[wire.OpenResponse]:
        try:
            message = self._heard.get(timeout=seconds)
        except queue.Empty:
            return None
        if isinstance(message, Exception):
            raise message
        kind = message.WhichOneof("message")
        if kind == "report_due":
            within = message.report_due.within_milliseconds / 1000
            self._nonce, self._report_at = message.report_due.nonce, time.monotonic() + within * self.REPORT_AFTER
        elif kind == "directive":
            self.directives[message.directive.kind] = message.directive
        elif kind in ("opened", "service_keys"):
            self.app.trust.endorse(getattr(message, kind).service_keys)
        return message

    def _listen(self) -> None:
        try:
            while True:
                self._heard.put(self._stream.receive())
        except Exception as ended:
            self._heard.put(ended)


def obey(session: OpenSession, directive: wire.Directive) -> bool:
    """Does what a directive asks of the app; True where the session has to be opened anew."""
    app = session.app
    if directive.kind == wire.DIRECTIVE_KIND_ROTATE_KEYS:
        session.keys = inject(app).keys
    if directive.kind != wire.DIRECTIVE_KIND_ATTEST_AGAIN:
        return False
    if directive.reason == "ATTESTATION_DUE":
        app.attest()
    else:
        app.refresh()
    return True


def refused(refusal: refusal_pb2.Refusal) -> Refused:
    return Refused(refusal.reasons[0].code, list(refusal.reasons), None, "")


def encrypt_account_data(transaction: Transaction, clear: bytes) -> terms_wire.AccountData:
    """BER-TLV of 57, 5A, 5F24, 5F34, for this grant alone."""
    ksn, iv = transaction.account_data.ksn, secrets.token_bytes(12)
    bound = canonical("tapgate/v1/account-data", transaction.grant_hash, ksn)
    ciphertext = AESGCM(transaction.account_data.working_key(DATA_ENCRYPTION)).encrypt(iv, clear, bound)
    return terms_wire.AccountData(ksn=ksn, initialization_vector=iv, ciphertext=ciphertext)


def account_data_hash(account_data: terms_wire.AccountData) -> bytes:
    fields = (account_data.ksn, account_data.initialization_vector, account_data.ciphertext)
    return sha256(canonical("tapgate/v1/account-data-hash", *fields))


class PadClosed(Exception):
    """The pad had to be taken away: `cause` is a PinEntryAbortCause."""

    def __init__(self, cause: int):
        super().__init__(pin_entry.PinEntryAbortCause.Name(cause))
        self.cause = cause


class Pad(Protocol):
    """The keypad on the screen."""

    def show(self, layout: str, least: int, most: int) -> None:
        """Shows ten keys; the key at position n bears the n-th digit of the layout."""

    def wait(self, seconds: float) -> Optional[List[int]]:
        """Positions of the keys that the customer pressed, once done; None after the seconds. Raises PadClosed."""


def enter_pin(app: App, transaction: Transaction, account_data: terms_wire.AccountData, pan: str, pad: Pad):
    """The signed PIN block that the service accepted: a PinBlock, and its bytes for a repetition."""
    key, grant_id = app.session.key, transaction.grant.grant_id
    with Conversation(pin_entry_service_pb2_grpc.PinEntryServiceStub(app.channel).Enter, seconds=120) as stream:
        request = pin_entry.PinEntryRequest(grant_id=grant_id, account_data=account_data, posture=app.posture)
        signed = signed_by(key, "tapgate/v1/pin-entry", request)
        begin = pin_entry.PinEntryBegin(device_token=app.session.token, request=signed)
        granted = stream.ask(pin_entry.EnterRequest(begin=begin)).pin_grant
        grant = pin_entry.PinGrant.FromString(app.trust.open("tapgate/v1/pin-grant", granted))
        ours = (grant_id, transaction.pin.ksn, account_data_hash(account_data), False)
        if (grant.grant_id, grant.pin_ksn, grant.account_data_hash, grant.accessible_layout) != ours:
            raise ServiceNotTrusted("the PIN grant is for something else")
        pad.show(grant.layout, grant.minimum_length, grant.maximum_length)
        nonce, pressed = grant.nonce, None
        while pressed is None:
            report = posture_pb2.PostureReport(nonce=nonce, posture=app.posture)
            signed = signed_by(key, "tapgate/v1/posture-report", report)
            due = stream.ask(pin_entry.EnterRequest(report=signed)).report_due
            nonce = due.nonce
            try:
                pressed = pad.wait(due.within_milliseconds / 1000 * OpenSession.REPORT_AFTER)
            except PadClosed as closed:
                # The answer is the refusal, with the reason of the cause.
                stream.ask(pin_entry.EnterRequest(abort=pin_entry.PinEntryAbort(cause=closed.cause)))
                raise
        pin = "".join(grant.layout[position] for position in pressed)
        block = pin_entry.PinBlock(
            pin_grant_id=grant.pin_grant_id,
            grant_id=grant_id,
            pin_ksn=transaction.pin.ksn,
            block=format_4(transaction.pin.working_key(PIN_ENCRYPTION), pin, pan),
            account_data_hash=grant.account_data_hash,
        )
        signed = signed_by(key, "tapgate/v1/pin-block", block)
        # Here an app keeps `signed` in memory: where the answer is lost, it goes out again as `repeat`.
        stream.ask(pin_entry.EnterRequest(pin_block=signed))
        return block, signed


def repeat_pin(app: App, signed) -> None:
    """After a cut: the same bytes get the same answer."""
    with Conversation(pin_entry_service_pb2_grpc.PinEntryServiceStub(app.channel).Enter) as stream:
        begin = pin_entry.PinEntryBegin(device_token=app.session.token, repeat=signed)
        stream.ask(pin_entry.EnterRequest(begin=begin))


def format_4(key: bytes, pin: str, pan: str) -> bytes:
    """ISO 9564-1 format 4: E(E(PIN field) xor PAN field). A PAN has 12 to 19 digits."""
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    pin_field = bytes.fromhex(f"4{len(pin):x}{pin}".ljust(16, "a")) + secrets.token_bytes(8)
    pan_field = bytes.fromhex(f"{len(pan) - 12}{pan}".ljust(32, "0"))
    between = encryptor.update(pin_field)
    return encryptor.update(bytes(a ^ b for a, b in zip(between, pan_field)))


def sign_intent(app: App, transaction: Transaction, emv_data: bytes, account_data, block=None):
    """What processing takes: token, signed intent, session key."""
    intent = terms_wire.PaymentIntent(
        acquirer=transaction.grant.acquirer,
        session_key_thumbprint=transaction.grant.session_key_thumbprint,
        grant_id=transaction.grant.grant_id,
        terms=transaction.grant.terms,
        emv_data=emv_data,
        account_data=account_data,
        claimed_verification=NONE if block is None else ONLINE_PIN,
        pin_ksn=b"" if block is None else block.pin_ksn,
        pin_block_hash=b"" if block is None else sha256(block.block),
    )
    return gate.AuthorizePaymentRequest(
        device_token=app.session.token,
        intent=signed_by(app.session.key, "tapgate/v1/payment-intent", intent),
        session_public_key=app.session.key.public_key,
    )


def tap(tapgate: List[str], terms: terms_wire.TransactionTerms, verification: int) -> dict:
    """A test card of the virtual factory. On a phone this is the kernel, with the terms of the grant."""
    name = "online-pin" if verification == ONLINE_PIN else "none"
    told = ["--amount", str(terms.amount_minor), "--currency", str(terms.currency), "--verification", name]
    command = [*tapgate, "phone", "tap", *told, "--json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


class TestCustomer:
    """Enters one PIN at once."""

    def __init__(self, pin: str):
        self._pin, self._layout = pin, ""

    def show(self, layout: str, least: int, most: int) -> None:
        self._layout = layout

    def wait(self, seconds: float) -> Optional[List[int]]:
        return [self._layout.index(digit) for digit in self._pin]


def pay(session: OpenSession, terms: terms_wire.TransactionTerms, tapgate: List[str]) -> gate.AuthorizePaymentRequest:
    app, transaction = session.app, session.begin(terms)
    wanted = NONE if transaction.grant.expected_verification == NONE else ONLINE_PIN  # A card of plastic.
    card = tap(tapgate, transaction.grant.terms, wanted)
    account_data = encrypt_account_data(transaction, bytes.fromhex(card["accountData"]))
    block = None
    if wanted == ONLINE_PIN:
        block, _ = enter_pin(app, transaction, account_data, card["pan"], TestCustomer(card["pin"]))
    return sign_intent(app, transaction, bytes.fromhex(card["iccData"]), account_data, block)


def main(data: str, invite_code: str, *tapgate: str) -> None:
    folder = Path(data)
    port = json.loads((folder / "addresses.json").read_text())["device"]["port"]
    channel = connect(f"localhost:{port}", (folder / "certs/device/ca.crt").read_bytes())
    trust = ServiceTrust((folder / "service-anchor.pem").read_bytes())
    app = App(channel, trust, VirtualKeystore(list(tapgate), data, f"phone-{invite_code}.json"))
    app.enrol(invite_code)
    terms = terms_wire.TransactionTerms(
        type=terms_wire.TRANSACTION_TYPE_SALE,
        amount_minor=9900,
        currency=978,
        merchant="courier-7",
        order=f"order-{secrets.token_hex(4)}",
    )
    with OpenSession(app, inject(app).keys) as session:
        payment = pay(session, terms, list(tapgate))
    print("signed", len(payment.intent.payload), "bytes for", terms.order)


if __name__ == "__main__":
    main(*sys.argv[1:])
