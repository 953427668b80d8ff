"""Runs the documents' client against a service and tells what came of each step, as one JSON object."""

import copy
import subprocess
import json
import sys
import traceback
import urllib.request
from base64 import urlsafe_b64decode
from pathlib import Path

import grpc
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from tapgate.v1 import payment_gate_service_pb2_grpc, pin_entry_service_pb2, posture_pb2
from tapgate.v1 import session_service_pb2, transaction_pb2

import tapgate_app
import tapgate_keys
import tapgate_pay
from tapgate_app import App, AttestedKey, Refused, ServiceNotTrusted, ServiceTrust, VirtualKeystore

settings = json.loads(sys.argv[1])
data = Path(settings["data"])
work = Path(settings["work"])
# A refused try uses no invite up, so one is enough for all of them.
first_invite, open_invite = settings["invites"]
addresses = json.loads((data / "addresses.json").read_text())
authority = (data / "certs/device/ca.crt").read_bytes()
anchor = (data / "service-anchor.pem").read_bytes()
outcomes = {}


def unpadded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def verified_claims(token: str) -> dict:
    """ES256 by hand: JWS carries r and s side by side, 32 bytes each (RFC 7518 3.4)."""
    with urllib.request.urlopen(f"http://localhost:{addresses['ops']['port']}/.well-known/jwks.json") as answer:
        keys = {key["kid"]: key for key in json.load(answer)["keys"]}
    header, claims, signature = token.split(".")
    stated = json.loads(unpadded(header))
    if (stated["alg"], stated["typ"]) != ("ES256", "tapgate-device+jwt"):
        raise ValueError("not a device token")
    x, y = (int.from_bytes(unpadded(keys[stated["kid"]][part]), "big") for part in "xy")
    r, s = (int.from_bytes(unpadded(signature)[at : at + 32], "big") for at in (0, 32))
    public_key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    signed = f"{header}.{claims}".encode()
    public_key.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    return json.loads(unpadded(claims))


def told(app: App, result) -> dict:
    session = app.session
    return {
        "device": result.device_id,
        "jkt": tapgate_app.thumbprint(session.key.public_key),
        "claims": verified_claims(result.device_token),
        "expiresAt": session.expires_at,
        "refreshAfter": session.refresh_after,
        "failedChecks": [check.code for check in result.checks if check.reason],
    }


def phone(name: str, *options: str, service_anchor: bytes = anchor, ca: bytes = authority) -> App:
    channel = tapgate_app.connect(f"localhost:{addresses['device']['port']}", ca)
    keystore = VirtualKeystore([*settings["tapgate"]], str(data), str(work / f"{name}.json"))
    keystore._command += options
    return App(channel, ServiceTrust(service_anchor), keystore)


def step(name: str):
    """Runs a step and keeps its outcome: the value, the refusal, or what else went wrong."""

    def run(work):
        try:
            outcomes[name] = {"value": work()}
        except Refused as refused:
            reason = refused.reasons[0]
            outcomes[name] = {
                "refused": refused.code,
                "reasons": [each.code for each in refused.reasons],
                "action": reason.action,
                "pause": tapgate_app.pause(refused, 0),
            }
        except ServiceNotTrusted as error:
            outcomes[name] = {"notTrusted": str(error)}
        except grpc.RpcError as error:
            outcomes[name] = {"status": error.code().name, "pause": tapgate_app.pause(error, 0)}
        except Exception:
            outcomes[name] = {"error": traceback.format_exc()}

    return run


class WrongChallenge:
    """A keystore whose keys were made for another exchange."""

    def __init__(self, keystore: VirtualKeystore):
        self._keystore = keystore

    def generate(self, challenge: bytes, purpose: str = "sign") -> AttestedKey:
        return self._keystore.generate(tapgate_app.sha256(challenge), purpose)


class OtherSigner(WrongChallenge):
    """A keystore of the right chains, whose private keys the caller does not have."""

    def generate(self, challenge: bytes, purpose: str = "sign") -> AttestedKey:
        key = self._keystore.generate(challenge, purpose)
        return AttestedKey(ec.generate_private_key(ec.SECP256R1()), key.public_key, key.chain)


@step("example")
def _():
    shown = {name: bytes.fromhex(value) for name, value in settings["example"].items() if name != "thumbprint"}
    nonce, hello, session_key = shown["nonce"], shown["hello"], shown["session key"]
    challenge = tapgate_app.attestation_challenge(nonce, hello)
    transcript = tapgate_app.attestation_transcript(challenge, session_key)
    computed = {
        "challenge input": tapgate_app.canonical("tapgate/v1/attestation-challenge", nonce, hello),
        "challenge": challenge,
        "transcript": transcript,
        "session signature over": tapgate_app.canonical("tapgate/v1/evidence", transcript + shown["posture"]),
        "device signature over": tapgate_app.canonical("tapgate/v1/device-key", transcript),
        "resume transcript": tapgate_app.resume_transcript(nonce, hello),
        "transport challenge": tapgate_keys.transport_challenge(session_key, nonce),
    }
    return {
        **{name: value.hex() for name, value in computed.items()},
        "thumbprint": tapgate_app.thumbprint(session_key),
    }


honest = phone("honest")


def run_tapgate(*words: str) -> str:
    command = [*settings["tapgate"], *words, "--data", str(data)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode()


def ids_of(injection):
    return {name: key.initial_key_id.hex() for name, key in injection.keys.items()}


@step("enrol")
def _():
    return told(honest, honest.enrol(first_invite))


@step("attest")
def _():
    return told(honest, honest.attest())


@step("inject")
def _():
    return ids_of(tapgate_keys.inject(honest))


@step("inject by RSA, and ask again")
def _():
    global injection
    injection = tapgate_keys.inject(honest, tapgate_keys.RSA)
    active = tapgate_keys.finish(honest, injection.confirmation)
    return {**ids_of(injection), "same": active.key_set_id == injection.confirmation.injection_id}


@step("resume")
def _():
    return told(honest, honest.resume())


@step("registers")
def _():
    """Every working key around the places where a counter is skipped, and some between."""
    registers = tapgate_keys.Registers(bytes(range(16)), bytes(range(8)))
    keys = []
    while True:
        key = registers.advance()
        counter = int.from_bytes(key.ksn[8:], "big")
        if counter > 66_000:
            return keys
        if counter < 20 or counter % 4096 < 2 or 65_530 < counter < 65_560:
            keys.append(key.ksn.hex() + key.working_key(tapgate_keys.PIN_ENCRYPTION).hex())


def acquirer_channel() -> grpc.Channel:
    certificates = data / "certs/processing"
    files = ((certificates / name).read_bytes() for name in ("ca.crt", "acquirer.key", "acquirer.crt"))
    return grpc.secure_channel(f"localhost:{addresses['processing']['port']}", grpc.ssl_channel_credentials(*files))


def sale(order: str, amount_minor: int):
    kind = transaction_pb2.TRANSACTION_TYPE_SALE
    fields = {"type": kind, "currency": 978, "merchant": "courier-7"}
    return transaction_pb2.TransactionTerms(order=order, amount_minor=amount_minor, **fields)


def decided(payment) -> dict:
    with acquirer_channel() as channel:
        decision = payment_gate_service_pb2_grpc.PaymentGateServiceStub(channel).AuthorizePayment(payment, timeout=15)
    if decision.HasField("refused"):
        return {"refused": [reason.code for reason in decision.refused.refusal.reasons]}
    approved = decision.approved
    receipt = json.loads(unpadded(approved.receipt.split(".")[1]))
    return {"receipt": receipt, "pinBlock": len(approved.pin_block.block)}


taps = {}


def at_pad(session, order: str, customer=None):
    """A transaction with its tap, up to the pad."""
    transaction = session.begin(sale(order, 9900))
    # None of these is paid, so one tap is enough for all of them.
    card = taps.get("unpaid") or tapgate_pay.tap(settings["tapgate"], transaction.grant.terms, tapgate_pay.ONLINE_PIN)
    taps["unpaid"] = card
    account_data = tapgate_pay.encrypt_account_data(transaction, bytes.fromhex(card["accountData"]))
    pad = customer or tapgate_pay.TestCustomer(card["pin"])
    return tapgate_pay.enter_pin(session.app, transaction, account_data, card["pan"], pad)


class Hesitant(tapgate_pay.TestCustomer):
    """Needs two looks at the pad."""

    def __init__(self, pin: str):
        super().__init__(pin)
        self.looks = 0

    def wait(self, seconds: float):
        self.looks += 1
        return super().wait(seconds) if self.looks == 3 else None


class Covered(tapgate_pay.TestCustomer):
    """Another window comes over the pad."""

    def wait(self, seconds: float):
        raise tapgate_pay.PadClosed(pin_entry_service_pb2.PIN_ENTRY_ABORT_CAUSE_OVERLAY)


@step("pay with a PIN")
def _():
    with tapgate_pay.OpenSession(honest, injection.keys) as session:
        payment = tapgate_pay.pay(session, sale("with-pin", 9900), settings["tapgate"])
        return [decided(payment), decided(payment)]


@step("pay without a PIN, after a report")
def _():
    with tapgate_pay.OpenSession(honest, injection.keys) as session:
        told = session.stay(0.2)
        session.report()
        return {"told": len(told), **decided(tapgate_pay.pay(session, sale("no-pin", 1250), settings["tapgate"]))}


@step("changed amount")
def _():
    with tapgate_pay.OpenSession(honest, injection.keys) as session:
        payment = tapgate_pay.pay(session, sale("changed", 1250), settings["tapgate"])
        intent = transaction_pb2.PaymentIntent.FromString(payment.intent.payload)
        intent.terms.amount_minor = 125
        payment.intent.payload = intent.SerializeToString()
        return decided(payment)


@step("slow customer, and a lost answer")
def _():
    with tapgate_pay.OpenSession(honest, injection.keys) as session:
        customer = Hesitant("1234")
        _, signed = at_pad(session, "slow", customer)
        tapgate_pay.repeat_pin(honest, signed)
        return {"looks": customer.looks}


@step("window over the pad")
def _():
    with tapgate_pay.OpenSession(honest, injection.keys) as session:
        return str(at_pad(session, "covered", Covered("1234")))


@step("amount over the limit")
def _():
    with tapgate_pay.OpenSession(honest, injection.keys) as session:
        return str(session.begin(sale("dear", 99_999_999)))


@step("PIN switched off while a session is open")
def _():
    with tapgate_pay.OpenSession(honest, injection.keys) as session:
        set_ = run_tapgate("kill", "set", "--all-pin", "--reason", "a leaked build", "--yes", "--json")
        switch = json.loads(set_.splitlines()[-1])["id"]
        told = session.stay(1)
        kinds = [session_service_pb2.DirectiveKind.Name(directive.kind) for directive in told]
        anew = [tapgate_pay.obey(session, directive) for directive in told]
        try:
            at_pad(session, "switched-off")
        except Refused as refused:
            kinds.append(refused.code)
        run_tapgate("kill", "lift", switch, "--reason", "the app was replaced", "--yes")
    return {"told": kinds, "anew": anew}


@step("directives followed")
def _():
    def directive(name: str, reason: str = ""):
        kind = session_service_pb2.DirectiveKind.Value(f"DIRECTIVE_KIND_{name}")
        return session_service_pb2.Directive(kind=kind, reason=reason)

    with tapgate_pay.OpenSession(honest, injection.keys) as session:
        tapgate_pay.obey(session, directive("ROTATE_KEYS"))
        rotated = session.keys["pin"].initial_key_id != injection.keys["pin"].initial_key_id
        first = decided(tapgate_pay.pay(session, sale("rotated", 1250), settings["tapgate"]))
        anew = tapgate_pay.obey(session, directive("ATTEST_AGAIN"))
        again = tapgate_pay.obey(session, directive("ATTEST_AGAIN", "ATTESTATION_DUE"))
        injection.keys = session.keys
    with tapgate_pay.OpenSession(honest, injection.keys) as session:
        second = decided(tapgate_pay.pay(session, sale("attested", 1250), settings["tapgate"]))
    return {"rotated": rotated, "anew": [anew, again], "paid": ["receipt" in first, "receipt" in second]}


@step("enrolment whose result was lost")
def _():
    again = phone("honest")
    again.device_key = honest.device_key
    return told(again, again.enrol(first_invite))


@step("refresh of a session that was replaced")
def _():
    return told(honest, honest.refresh())


@step("used invite without the device key")
def _():
    app = phone("stranger")
    return told(app, app.enrol(first_invite))


@step("wrong challenge")
def _():
    app = copy.copy(honest)
    app.keystore = WrongChallenge(app.keystore)
    return told(app, app.attest())


@step("wrong signature")
def _():
    app = copy.copy(honest)
    app.keystore = OtherSigner(app.keystore)
    return told(app, app.attest())


@step("unlocked phone")
def _():
    app = phone("unlocked", "--profile", "unlocked")
    return told(app, app.enrol(open_invite))


@step("hooked phone")
def _():
    app = copy.copy(honest)
    app.posture = posture_pb2.Posture(foreground=True, window_focused=True, hooking_detected=True)
    return told(app, app.attest())


@step("foreign service anchor")
def _():
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = tapgate_app.serialization.PublicFormat.SubjectPublicKeyInfo
    foreign = key.public_bytes(tapgate_app.serialization.Encoding.PEM, pem)
    app = phone("wary", service_anchor=foreign)
    return told(app, app.enrol(open_invite))


@step("foreign authority")
def _():
    app = phone("careful", ca=(data / "certs/processing/ca.crt").read_bytes())
    return told(app, app.enrol(open_invite))


print(json.dumps(outcomes))
