import { canonicalBytes } from './canonical.ts';
import { sha256 } from './digest.ts';
import type { SignedBytes } from './signed.ts';

/** The challenge that a session key (and at enrolment the device key) is attested for: 32 bytes. */
export function attestationChallenge(nonce: Uint8Array, hello: Uint8Array): Buffer {
  return sha256(canonicalBytes('tapgate/v1/attestation-challenge', nonce, hello));
}

/** The transcript of an attestation: binds the challenge to the key that was made for it. 32 bytes. */
export function attestationTranscript(challenge: Uint8Array, sessionKey: Uint8Array): Buffer {
  return sha256(Buffer.concat([challenge, sessionKey]));
}

/** The transcript of a resumption: binds its nonce to its hello. 32 bytes. */
export function resumeTranscript(nonce: Uint8Array, hello: Uint8Array): Buffer {
  return sha256(canonicalBytes('tapgate/v1/resume-transcript', nonce, hello));
}

/** The challenge that a transport key is attested for: binds it to session key and injection. 32 bytes. */
export function transportChallenge(sessionKey: Uint8Array, nonce: Uint8Array): Buffer {
  return sha256(canonicalBytes('tapgate/v1/transport-challenge', sessionKey, nonce));
}

/** HKDF's info for the key block protection key of one domain. */
export function keyBlockProtectionInfo(
  injectionId: string,
  domain: 'pin' | 'account-data',
  sessionKeyThumbprint: string,
  transportKeyHash: Uint8Array,
): Buffer {
  return canonicalBytes('tapgate/v1/key-block-protection', injectionId, domain, sessionKeyThumbprint, transportKeyHash);
}

/** What a phone's key proof is a CMAC over. */
export function keyProofInput(offer: Uint8Array): Buffer {
  return canonicalBytes('tapgate/v1/key-proof', offer);
}

/** What account data is bound to: SHA-256 of a grant's payload as it was signed, 32 bytes. */
export function grantHash(payload: Uint8Array): Buffer {
  return sha256(payload);
}

/** The additional data of encrypted account data: binds it to one grant, by its `grantHash`, and to one counter. */
export function accountDataContext(hash: Uint8Array, ksn: Uint8Array): Buffer {
  return canonicalBytes('tapgate/v1/account-data', hash, ksn);
}

/** SHA-256 that PIN entry is bound to account data by: 32 bytes. */
export function accountDataHash(ksn: Uint8Array, initializationVector: Uint8Array, ciphertext: Uint8Array): Buffer {
  return sha256(canonicalBytes('tapgate/v1/account-data-hash', ksn, initializationVector, ciphertext));
}

/**
 * SHA-256 of one tap: its ICC data (BER-TLV) and its account data as the phone enciphered it. What is paid again without
 * another tap is known by it. 32 bytes.
 */
export function tapHash(
  emvData: Uint8Array,
  ksn: Uint8Array,
  initializationVector: Uint8Array,
  ciphertext: Uint8Array,
): Buffer {
  return sha256(canonicalBytes('tapgate/v1/tap', emvData, ksn, initializationVector, ciphertext));
}

/** SHA-256 of the exact bytes that a decision rests on: intent with its signature and key, grant with its signature. */
export function paymentEvidenceHash(intent: SignedBytes, sessionKey: Uint8Array, grant: SignedBytes): Buffer {
  const { payload, signature } = intent;
  return sha256(
    canonicalBytes('tapgate/v1/payment-evidence', payload, signature, sessionKey, grant.payload, grant.signature),
  );
}
