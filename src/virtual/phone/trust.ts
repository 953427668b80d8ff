import type { KeyObject } from 'node:crypto';
import { p256PublicKey } from '../../encoding/p256.ts';
import { CONTEXT, type SignedBytes, type SigningContext, verifySigned } from '../../encoding/signed.ts';
import { ServiceAnchor, ServiceKey, type SignedMessage } from '../../gen/tapgate/v1/signed.ts';
import { decodeMessage } from '../../wire/decode.ts';
import { signedFromWire } from '../../wire/signed.ts';
import { ServiceNotTrusted } from './refused.ts';

/** What the app trusts of the service: the anchor that it ships with, and the keys that the anchor endorses. */
export class ServiceTrust {
  #anchor: KeyObject;
  readonly #keys = new Map<string, { readonly key: KeyObject; readonly notAfter: number }>();
  readonly #now: () => Date;

  /** `anchor` is a SubjectPublicKeyInfo, DER. */
  constructor(anchor: Buffer, now: () => Date) {
    const key = p256PublicKey(anchor);
    if (key === null) throw new TypeError('the service anchor is a P-256 key');
    this.#anchor = key;
    this.#now = now;
  }

  /**
   * Takes the service keys that the anchor endorses, and a new anchor that it endorses in its own place; others are left
   * out.
   */
  endorse(messages: readonly SignedMessage[]): void {
    for (const message of messages) {
      if (verifySigned(CONTEXT.serviceAnchor, message, this.#anchor)) {
        const next = decodeMessage(ServiceAnchor, message.payload);
        this.#anchor = (next.ok ? p256PublicKey(next.value.publicKey) : null) ?? this.#anchor;
        continue;
      }
      if (!verifySigned(CONTEXT.serviceKey, message, this.#anchor)) continue;
      const endorsed = decodeMessage(ServiceKey, message.payload);
      const key = endorsed.ok ? p256PublicKey(endorsed.value.publicKey) : null;
      if (!endorsed.ok || key === null) continue;
      this.#keys.set(endorsed.value.keyId, { key, notAfter: Number(endorsed.value.notAfter) });
    }
  }

  /** The signed bytes, if an endorsed key signed them for this purpose. Throws ServiceNotTrusted. */
  open(context: SigningContext, message: SignedMessage | undefined): SignedBytes {
    const signed = signedFromWire(message, context);
    if (!signed.ok) throw new ServiceNotTrusted(`${context} is missing`);
    const endorsed = this.#keys.get(signed.value.keyId);
    if (endorsed === undefined) throw new ServiceNotTrusted(`${context} is signed by no key of the anchor`);
    if (endorsed.notAfter * 1000 < this.#now().getTime())
      throw new ServiceNotTrusted(`${context}: the key has expired`);
    if (!verifySigned(context, signed.value, endorsed.key)) throw new ServiceNotTrusted(`${context}: wrong signature`);
    return signed.value;
  }
}
