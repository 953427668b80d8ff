"""The app's half of key injection, by key agreement and by RSA: from the offer to the proof."""

import time
from dataclasses import dataclass
from typing import Dict, List, Optional

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from tapgate.v1 import key_injection_service_pb2 as wire
from tapgate.v1 import key_injection_service_pb2_grpc as services
from tapgate.v1 import key_transport_pb2, signed_pb2

from tapgate_app import App, AttestedKey, Conversation, ServiceNotTrusted, canonical, sha256, sign, thumbprint

DOMAINS = {key_transport_pb2.KEY_DOMAIN_PIN: "pin", key_transport_pb2.KEY_DOMAIN_ACCOUNT_DATA: "account-data"}


AGREEMENT = key_transport_pb2.KEY_TRANSPORT_KEY_AGREEMENT
RSA = key_transport_pb2.KEY_TRANSPORT_RSA
PURPOSES = {AGREEMENT: "agree", RSA: "decrypt"}
# What Keystore does where it is asked for OAEP with SHA-256.
ANDROID_OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA256(), label=None)


@dataclass
class Injection:
    """Keys that the phone can prove; they are active once the service says so."""

    keys: Dict[str, "Registers"]
    confirmation: wire.KeyConfirmation


def inject(app: App, transport: int = AGREEMENT) -> Injection:
    session = app.session.key
    with Conversation(services.KeyInjectionServiceStub(app.channel).Inject) as stream:
        begin = wire.InjectBegin(device_token=app.session.token)
        asked = stream.ask(wire.InjectRequest(begin=begin)).challenge
        app.trust.endorse(asked.service_keys)
        nonce = asked.nonce
        key = app.keystore.generate(transport_challenge(session.public_key, nonce), purpose=PURPOSES[transport])
        request = wire.KeyRequest(nonce=nonce, transport=transport, transport_key_chain=key.chain)
        signed = signed_by(session, "tapgate/v1/key-request", request)
        offer = app.trust.open("tapgate/v1/key-offer", stream.ask(wire.InjectRequest(key_request=signed)).offer)
        keys = open_offer(offer, app, nonce, key, transport)
        confirmation = wire.KeyConfirmation(injection_id=wire.KeyOffer.FromString(offer).injection_id)
        for domain, name in DOMAINS.items():
            confirmation.proofs.add(domain=domain, cmac=keys[name].prove(offer))
        # Here an app stores registers and confirmation: what follows may be cut off.
        signed = signed_by(session, "tapgate/v1/key-confirmation", confirmation)
        stream.ask(wire.InjectRequest(confirmation=signed))
    return Injection(keys, confirmation)


def finish(app: App, confirmation: wire.KeyConfirmation) -> wire.KeysActive:
    """Asks again, after a cut, whether the keys of a stored confirmation are active."""
    signed = signed_by(app.session.key, "tapgate/v1/key-confirmation", confirmation)
    with Conversation(services.KeyInjectionServiceStub(app.channel).Inject) as stream:
        resume = wire.InjectResume(device_token=app.session.token, confirmation=signed)
        return stream.ask(wire.InjectRequest(resume=resume)).active


def transport_challenge(session_public_key: bytes, nonce: bytes) -> bytes:
    return sha256(canonical("tapgate/v1/transport-challenge", session_public_key, nonce))


def signed_by(key: AttestedKey, context: str, message) -> signed_pb2.SignedMessage:
    payload = message.SerializeToString()
    return signed_pb2.SignedMessage(payload=payload, signature=sign(key.private_key, context, payload))


def open_offer(payload: bytes, app: App, nonce: bytes, key: AttestedKey, transport: int) -> Dict[str, "Registers"]:
    offer = wire.KeyOffer.FromString(payload)
    ours = (app.device_id, thumbprint(app.session.key.public_key), nonce, sha256(key.public_key), transport)
    stated = (offer.device_id, offer.session_key_thumbprint, offer.nonce, offer.transport_key_hash, offer.transport)
    if stated != ours:
        raise ServiceNotTrusted("the offer is for another phone, session, exchange or transport key")
    if offer.acquirer != (app.acquirer or offer.acquirer):
        raise ServiceNotTrusted("the offer is for payments to another acquirer")
    if offer.expires_at.ToSeconds() < time.time():
        raise ServiceNotTrusted("the offer has expired")
    secret = protection_secret(offer, key)
    keys = {}
    for envelope in offer.envelopes:
        name = DOMAINS[envelope.domain]
        binding = (offer.session_key_thumbprint.encode(), offer.transport_key_hash)
        info = canonical("tapgate/v1/key-block-protection", offer.injection_id.encode(), name.encode(), *binding)
        kbpk = HKDF(hashes.SHA256(), 32, salt=nonce, info=info).derive(secret)
        initial_key = unwrap(envelope.key_block, kbpk)
        if cmac(initial_key, bytes(16))[:5] != envelope.key_check_value:
            raise ServiceNotTrusted(f"{name}: wrong check value")
        keys[name] = Registers(initial_key, envelope.initial_key_id)
    if set(keys) != set(DOMAINS.values()):
        raise ServiceNotTrusted("the offer lacks a domain")
    app.acquirer = offer.acquirer
    return keys


def protection_secret(offer: wire.KeyOffer, key: AttestedKey) -> bytes:
    if offer.transport == RSA:
        return key.private_key.decrypt(offer.encrypted_protection_secret, ANDROID_OAEP)
    return key.private_key.exchange(ec.ECDH(), serialization.load_der_public_key(offer.ephemeral_public_key))


def cmac(key: bytes, message: bytes) -> bytes:
    mac = CMAC(algorithms.AES(key))
    mac.update(message)
    return mac.finalize()


def unwrap(block: str, kbpk: bytes) -> bytes:
    """X9.143 version D: header, optional blocks, AES-CBC of length and key, CMAC of all of it (its IV too)."""
    if (block[0], block[5:7], block[7]) != ("D", "B1", "A") or int(block[1:5]) != len(block):
        raise ServiceNotTrusted("no block of an AES initial key")
    end = 16
    for _ in range(int(block[12:14])):
        end += int(block[end + 2 : end + 4], 16)
    header, mac = block[:end].encode("ascii"), bytes.fromhex(block[-32:])

    def derived(usage: bytes) -> bytes:
        return b"".join(cmac(kbpk, bytes([count]) + usage + bytes.fromhex("0000040100")) for count in (1, 2))

    decryptor = Cipher(algorithms.AES(derived(b"\x00\x00")), modes.CBC(mac)).decryptor()
    clear = decryptor.update(bytes.fromhex(block[end:-32])) + decryptor.finalize()
    if cmac(derived(b"\x00\x01"), header + clear) != mac:
        raise ServiceNotTrusted("the key block is not of this offer")
    return clear[2 : 2 + int.from_bytes(clear[:2], "big") // 8]


DERIVATION, PIN_ENCRYPTION, MAC_GENERATION, DATA_ENCRYPTION = 0x8000, 0x1000, 0x2000, 0x3000


def derive(key: bytes, usage: int, derivation_id: bytes, counter: int) -> bytes:
    """An AES-128 key of AES-128 DUKPT (X9.24-3 6.3.3)."""
    derivation = bytes([1, 1]) + usage.to_bytes(2, "big") + bytes.fromhex("00020080")
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return encryptor.update(derivation + derivation_id + counter.to_bytes(4, "big")) + encryptor.finalize()


@dataclass
class TransactionKey:
    """The keys at one counter. They are used for one transaction."""

    ksn: bytes
    key: bytes

    def working_key(self, usage: int) -> bytes:
        return derive(self.key, usage, self.ksn[4:8], int.from_bytes(self.ksn[8:], "big"))


class Registers:
    """AES-128 DUKPT on the phone (X9.24-3 6.3): 32 keys, from which none that was used can be had again."""

    def __init__(self, initial_key: bytes, initial_key_id: bytes):
        self.initial_key_id = initial_key_id
        self._counter = 1
        self._keys: List[Optional[bytes]] = [self._derive(initial_key, 1 << place) for place in range(32)]

    def prove(self, offer: bytes) -> bytes:
        """CMAC under the MAC generation key of counter 1, which no transaction can use after."""
        return cmac(self.advance().working_key(MAC_GENERATION), canonical("tapgate/v1/key-proof", offer))

    def advance(self) -> TransactionKey:
        """The next counter's key. An app stores the registers before it uses the key."""
        counter = self._counter
        if counter >= 1 << 32:
            raise OverflowError("the keys are used up: inject new ones")
        lowest = counter & -counter
        place = lowest.bit_length() - 1
        key, self._keys[place] = self._keys[place], None
        if bin(counter).count("1") < 16:
            for below in range(place):
                self._keys[below] = self._derive(key, counter | 1 << below)
            lowest = 1
        self._counter = counter + lowest
        return TransactionKey(self.initial_key_id + counter.to_bytes(4, "big"), key)

    def _derive(self, key: bytes, counter: int) -> bytes:
        return derive(key, DERIVATION, self.initial_key_id[4:], counter)
