import type { KeyObject } from 'node:crypto';
import { canonicalBytes } from '../../src/encoding/canonical.ts';
import { keyProofInput } from '../../src/encoding/contexts.ts';
import { equalBytes, sha256 } from '../../src/encoding/digest.ts';
import { p256PublicKey } from '../../src/encoding/p256.ts';
import { CONTEXT, type SignedBytes, verifySigned } from '../../src/encoding/signed.ts';
import { RECEIPT_TYPE } from '../../src/gate/receipt.ts';
import type { GateVault, PaymentTranslation, RefusalReceipt, TranslatedPayment } from '../../src/gate/vault.ts';
import type { BoundOffer, InjectionVault, KeyProof, OfferRequest } from '../../src/injection/vault.ts';
import type { PinBlockCheck, PinVault, UnsignedPinGrant } from '../../src/pin/vault.ts';
import type { Reason } from '../../src/reasons/catalogue.ts';
import { ok, type Result, refuse } from '../../src/reasons/result.ts';
import type { GrantSigner, UnsignedGrant } from '../../src/sessions/grant.ts';
import { DEVICE_TOKEN_TYPE, type DeviceTokenClaims, type TokenSigner } from '../../src/tokens/claims.ts';
import { encodePinGrant } from '../../src/wire/pin.ts';
import { decodeIntent, encodeGrant } from '../../src/wire/transaction.ts';
import { compactJws } from './jws.ts';
import { SeededRandom } from './random.ts';
import { type SigningKey, signingKey } from './signing-key.ts';

type VaultPorts = TokenSigner & GrantSigner & InjectionVault & PinVault & GateVault;
type Operation = keyof VaultPorts;

/** An enciphered PIN block that the vault of the tests finds malformed. */
export const MALFORMED_PIN_BLOCK = Buffer.alloc(16, 0xff);

/** What the vault of the tests takes for a proof of the keys of an offer: 16 bytes a domain. */
export function keyProof(offer: Uint8Array, domain: 'pin' | 'account-data'): Buffer {
  return sha256(canonicalBytes(domain, keyProofInput(offer))).subarray(0, 16);
}

/**
 * A vault with real signing keys and no encipherment: it signs as the real one does, verifies intents and grants, and
 * keeps a list of what it was asked. Any operation can be told to refuse.
 */
export class SigningVault implements VaultPorts {
  readonly tokenKey: SigningKey = signingKey('token-1');
  readonly serviceKey: SigningKey = signingKey('service-1');
  readonly receiptKey: SigningKey = signingKey('receipt-1');
  /** Operations in the order in which they were asked for. */
  readonly calls: Operation[] = [];
  readonly #refusals = new Map<Operation, Reason>();
  readonly #random = new SeededRandom('vault');

  /** Keys of device tokens as a verifier has them. */
  get tokenKeys(): ReadonlyMap<string, KeyObject> {
    return new Map([['token-1', this.tokenKey.publicKey]]);
  }

  /** Refuses an operation from now on. */
  refuse(operation: Operation, reason: Reason): void {
    this.#refusals.set(operation, reason);
  }

  /** Refuses nothing any more. */
  recover(): void {
    this.#refusals.clear();
  }

  signDeviceToken(claims: DeviceTokenClaims): Promise<Result<string>> {
    const header = { alg: 'ES256', kid: 'token-1', typ: DEVICE_TOKEN_TYPE };
    return this.#do('signDeviceToken', () => ok(compactJws(header, claims, this.tokenKey.privateKey)));
  }

  signGrant({ grant }: UnsignedGrant): Promise<Result<SignedBytes>> {
    return this.#do('signGrant', () => ok(this.serviceKey.sign(CONTEXT.grant, encodeGrant(grant))));
  }

  signPinGrant({ pinGrant }: UnsignedPinGrant): Promise<Result<SignedBytes>> {
    return this.#do('signPinGrant', () => ok(this.serviceKey.sign(CONTEXT.pinGrant, encodePinGrant(pinGrant))));
  }

  shuffleLayout(): Promise<Result<string>> {
    return this.#do('shuffleLayout', () => ok('7294061835'));
  }

  offerKeys(request: OfferRequest): Promise<Result<BoundOffer>> {
    const { injectionId, transportKey, initialKeyIds, nonce } = request;
    const payload = canonicalBytes(injectionId, transportKey, nonce, initialKeyIds.pin, initialKeyIds.accountData);
    const keyBinding = sha256(payload).subarray(0, 16);
    return this.#do('offerKeys', () => ok({ offer: this.serviceKey.sign(CONTEXT.keyOffer, payload), keyBinding }));
  }

  verifyKeyProof({ offer, pinCmac, accountDataCmac }: KeyProof): Promise<Result<boolean>> {
    const right =
      equalBytes(pinCmac, keyProof(offer, 'pin')) && equalBytes(accountDataCmac, keyProof(offer, 'account-data'));
    return this.#do('verifyKeyProof', () => ok(right));
  }

  checkPinBlock({ block }: PinBlockCheck): Promise<Result<null>> {
    const malformed = block.equals(MALFORMED_PIN_BLOCK);
    return this.#do('checkPinBlock', () => (malformed ? refuse('PIN_BLOCK_MALFORMED') : ok(null)));
  }

  translatePayment(translation: PaymentTranslation): Promise<Result<TranslatedPayment>> {
    return this.#do('translatePayment', () => this.#translate(translation));
  }

  signRefusal({ grant, claims }: RefusalReceipt): Promise<Result<string>> {
    const header = { alg: 'ES256', kid: 'receipt-1', typ: RECEIPT_TYPE };
    return this.#do('signRefusal', () =>
      verifySigned(CONTEXT.grant, grant, this.serviceKey.publicKey)
        ? ok(compactJws(header, claims, this.receiptKey.privateKey))
        : refuse('GRANT_UNKNOWN'),
    );
  }

  #translate({ intent, sessionKey, grant, pinBlock, receipt }: PaymentTranslation): Result<TranslatedPayment> {
    if (!verifySigned(CONTEXT.grant, grant, this.serviceKey.publicKey)) return refuse('GRANT_UNKNOWN');
    const key = p256PublicKey(sessionKey);
    if (key === null || !verifySigned(CONTEXT.paymentIntent, intent, key)) return refuse('INTENT_SIGNATURE_INVALID');
    const parsed = decodeIntent(intent.payload);
    if (!parsed.ok) return parsed;
    const { pin } = parsed.value;
    if (pinBlock !== null && (pin === null || !equalBytes(sha256(pinBlock), pin.blockHash)))
      return refuse('PIN_GRANT_MISMATCH');
    if (receipt !== null && pin !== null && pinBlock === null) return refuse('PIN_LOST');
    const header = { alg: 'ES256', kid: 'receipt-1', typ: RECEIPT_TYPE };
    return ok({
      receipt: receipt === null ? '' : compactJws(header, receipt, this.receiptKey.privateKey),
      accountData: {
        keyId: 'zone-data-1',
        initializationVector: this.#random.bytes(12),
        ciphertext: this.#random.bytes(48),
      },
      pinBlock: pinBlock === null ? null : { keyId: 'zone-pin-1', block: this.#random.bytes(16) },
      cardReference: sha256(parsed.value.accountData.ciphertext).subarray(0, 16),
    });
  }

  async #do<T>(operation: Operation, answer: () => Result<T>): Promise<Result<T>> {
    this.calls.push(operation);
    const reason = this.#refusals.get(operation);
    return reason === undefined ? answer() : refuse(reason);
  }
}
