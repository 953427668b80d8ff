import type { CheckpointSigner } from '../audit/checkpoint.ts';
import type { SignedBytes } from '../encoding/signed.ts';
import type { GateVault, PaymentTranslation, RefusalReceipt, TranslatedPayment } from '../gate/vault.ts';
import type { KeySlot } from '../gen/tapgate/v1/key_slot.ts';
import type { SignedMessage } from '../gen/tapgate/v1/signed.ts';
import type { AuthorizePaymentAnswer } from '../gen/tapgate/vault/v1/vault_service.ts';
import type { BoundOffer, InjectionVault, KeyProof, OfferRequest } from '../injection/vault.ts';
import type {
  ExportedKey,
  GeneratedSlot,
  ImportedSlot,
  IncomingKey,
  KeyCustody,
  ShownSlot,
  Tr34Credential,
  Tr34Destination,
  Tr34Request,
  Tr34Role,
} from '../keys/custody.ts';
import type { SlotSeries } from '../keys/slots.ts';
import type { SlotState } from '../keys/state.ts';
import type { PinBlockCheck, PinVault, UnsignedPinGrant } from '../pin/vault.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import type { GrantSigner, UnsignedGrant } from '../sessions/grant.ts';
import type { DeviceTokenClaims, TokenSigner } from '../tokens/claims.ts';
import { transportToWire } from '../wire/injection.ts';
import { slotFromWire, slotStateToWire } from '../wire/key-slot.ts';
import { encodePinGrant } from '../wire/pin.ts';
import { signedToWire } from '../wire/signed.ts';
import { accountDataToWire, encodeGrant } from '../wire/transaction.ts';
import { everySlot, exportedKey, importCall, importedKey, tr34Credential } from './client/custody.ts';
import { readDescription, type VaultDescription } from './client/description.ts';
import { type ExchangeOptions, type VaultAnswer, type VaultCall, VaultExchange } from './client/exchange.ts';

type ValueOf<Case extends VaultAnswer['$case']> = Extract<VaultAnswer, { $case: Case }>['value'];

/** Watches calls of the vault by their name; answers what the call answers. */
export type WatchCall = <T>(call: VaultCall['$case'], work: () => Promise<Result<T>>) => Promise<Result<T>>;

/** The vault as the rest of the service sees it: every port that needs keys, over one connection to its process. */
export class VaultClient
  implements CheckpointSigner, TokenSigner, GrantSigner, InjectionVault, PinVault, GateVault, KeyCustody
{
  readonly #exchange: VaultExchange;
  readonly #watch: WatchCall;

  constructor(options: ExchangeOptions, watch: WatchCall = (_call, work) => work()) {
    this.#exchange = new VaultExchange(options);
    this.#watch = watch;
  }

  /** Public keys, endorsements, BDK ids and acquirers. Refuses with VAULT_UNAVAILABLE. */
  async describe(): Promise<Result<VaultDescription>> {
    const answer = await this.#call({ $case: 'describeKeys', value: { knownGeneration: 0n } }, 'describeKeys');
    return answer.ok ? readDescription(answer.value) : answer;
  }

  /** The description where it is another one than `known`, else `known` itself. Refuses with VAULT_UNAVAILABLE. */
  async describeAfter(known: VaultDescription): Promise<Result<VaultDescription>> {
    const call = { $case: 'describeKeys', value: { knownGeneration: known.generation } } as const;
    const answer = await this.#call(call, 'describeKeys');
    if (!answer.ok) return answer;
    return answer.value.unchanged ? ok(known) : readDescription(answer.value);
  }

  async listKeys(): Promise<Result<readonly ShownSlot[]>> {
    const slots = await everySlot((from) => this.#call({ $case: 'listKeys', value: { from } }, 'listKeys'));
    return slots.ok ? slotsFromWire(slots.value) : slots;
  }

  async generateKey({ kind, acquirer = '' }: SlotSeries, by: string): Promise<Result<GeneratedSlot>> {
    const answer = await this.#call({ $case: 'generateKey', value: { kind, acquirer, by } }, 'generateKey');
    if (!answer.ok) return answer;
    const slot = slotFromWire(answer.value.slot);
    return slot.ok ? ok({ slot: slot.value, keyBlock: answer.value.keyBlock }) : refuse('VAULT_UNAVAILABLE', 'slot');
  }

  async changeKeyState(slotId: string, to: SlotState, by: string): Promise<Result<readonly ShownSlot[]>> {
    const call = { $case: 'changeKeyState', value: { slotId, to: slotStateToWire(to), by } } as const;
    const answer = await this.#call(call, 'changeKeyState');
    return answer.ok ? slotsFromWire(answer.value.changed) : answer;
  }

  async importKey(incoming: IncomingKey, by: string): Promise<Result<ImportedSlot>> {
    const answer = await this.#call({ $case: 'importKey', value: importCall(incoming, by) }, 'importKey');
    return answer.ok ? importedKey(answer.value) : answer;
  }

  async exportKey(
    slotId: string,
    tr34: Tr34Destination | null,
    tolerate: readonly string[],
    by: string,
  ): Promise<Result<ExportedKey>> {
    const value = { slotId, tr34: tr34 ?? undefined, tolerate: [...tolerate], by };
    const answer = await this.#call({ $case: 'exportKey', value }, 'exportKey');
    return answer.ok ? exportedKey(answer.value) : answer;
  }

  async tr34Credential(acquirer: string, role: Tr34Role, revocationList: Buffer): Promise<Result<Tr34Credential>> {
    const call = { $case: 'tr34Credential', value: { acquirer, host: role === 'host', revocationList } } as const;
    const answer = await this.#call(call, 'tr34Credential');
    return answer.ok ? ok(tr34Credential(answer.value)) : answer;
  }

  async requestTr34Key(acquirer: string): Promise<Result<Tr34Request>> {
    const answer = await this.#call({ $case: 'requestTr34Key', value: { acquirer } }, 'requestTr34Key');
    if (!answer.ok) return answer;
    const { randomNumberToken, expiresAt } = answer.value;
    return ok({ randomNumberToken, expiresAt: new Date(Number(expiresAt)) });
  }

  async signDeviceToken(claims: DeviceTokenClaims): Promise<Result<string>> {
    const call = { $case: 'signDeviceToken', value: { claims: JSON.stringify(claims) } } as const;
    const answer = await this.#call(call, 'signDeviceToken');
    return answer.ok ? ok(answer.value.compact) : answer;
  }

  signGrant({ grant, keyBinding, parent }: UnsignedGrant): Promise<Result<SignedBytes>> {
    const signedParent = parent === null ? undefined : signedToWire(parent);
    const value = { payload: encodeGrant(grant), keyBinding, parent: signedParent };
    return this.#signed({ $case: 'signGrant', value });
  }

  signPinGrant({ pinGrant, grant }: UnsignedPinGrant): Promise<Result<SignedBytes>> {
    const value = { payload: encodePinGrant(pinGrant), grant: signedToWire(grant) };
    return this.#signed({ $case: 'signPinGrant', value });
  }

  async offerKeys(request: OfferRequest): Promise<Result<BoundOffer>> {
    const { injectionId, deviceId, acquirer, sessionKeyThumbprint, nonce, initialKeyIds } = request;
    const value = {
      injectionId,
      deviceId,
      acquirer,
      sessionKeyThumbprint,
      transport: transportToWire(request.transport),
      transportPublicKey: request.transportKey,
      nonce,
      pinInitialKeyId: initialKeyIds.pin,
      accountDataInitialKeyId: initialKeyIds.accountData,
      expiresAt: BigInt(request.expiresAt.getTime()),
    };
    const answer = await this.#call({ $case: 'offerKeys', value }, 'offerKeys');
    if (!answer.ok) return answer;
    const { offer, keyBinding } = answer.value;
    return offer === undefined ? refuse('VAULT_UNAVAILABLE', 'no offer') : ok({ offer, keyBinding });
  }

  /** Signs a checkpoint of the audit log. */
  signCheckpoint(payload: Buffer): Promise<Result<SignedBytes>> {
    return this.#signed({ $case: 'signCheckpoint', value: { payload } });
  }

  async verifyKeyProof({ initialKeyIds, offer, pinCmac, accountDataCmac }: KeyProof): Promise<Result<boolean>> {
    const value = {
      pinInitialKeyId: initialKeyIds.pin,
      accountDataInitialKeyId: initialKeyIds.accountData,
      offer: Buffer.from(offer),
      pinCmac: Buffer.from(pinCmac),
      accountDataCmac: Buffer.from(accountDataCmac),
    };
    const answer = await this.#call({ $case: 'verifyKeyProof', value }, 'verifyKeyProof');
    return answer.ok ? ok(answer.value.valid) : answer;
  }

  async shuffleLayout(): Promise<Result<string>> {
    const answer = await this.#call({ $case: 'shuffleLayout', value: {} }, 'shuffleLayout');
    return answer.ok ? ok(answer.value.layout) : answer;
  }

  async checkPinBlock(check: PinBlockCheck): Promise<Result<null>> {
    const { block, accountData, pinGrant, grant } = check;
    const value = {
      block,
      accountData: accountDataToWire(accountData),
      pinGrant: signedToWire(pinGrant),
      grant: signedToWire(grant),
    };
    const answer = await this.#call({ $case: 'checkPinBlock', value }, 'checkPinBlock');
    return answer.ok ? ok(null) : answer;
  }

  async translatePayment(translation: PaymentTranslation): Promise<Result<TranslatedPayment>> {
    const value = {
      intent: signedToWire(translation.intent),
      sessionPublicKey: translation.sessionKey,
      grant: signedToWire(translation.grant),
      pinBlock: translation.pinBlock ?? Buffer.alloc(0),
      receiptClaims: translation.receipt === null ? '' : JSON.stringify(translation.receipt),
    };
    const answer = await this.#call({ $case: 'authorizePayment', value }, 'authorizePayment');
    return answer.ok ? ok(translatedPayment(answer.value)) : answer;
  }

  async signRefusal({ intent, sessionKey, grant, claims }: RefusalReceipt): Promise<Result<string>> {
    const value = {
      intent: signedToWire(intent),
      sessionPublicKey: sessionKey,
      grant: signedToWire(grant),
      receiptClaims: JSON.stringify(claims),
    };
    const answer = await this.#call({ $case: 'signRefusal', value }, 'signRefusal');
    return answer.ok ? ok(answer.value.receipt) : answer;
  }

  /** Ends the exchange; calls that are open are refused. */
  close(): void {
    this.#exchange.close();
  }

  async #signed(call: VaultCall): Promise<Result<SignedBytes>> {
    const answer: Result<SignedMessage> = await this.#call(call, 'signed');
    return answer;
  }

  /** Calls the vault and takes the answer of one case; another case is a vault of another version. */
  async #call<Case extends VaultAnswer['$case']>(call: VaultCall, $case: Case): Promise<Result<ValueOf<Case>>> {
    const answer = await this.#watch(call.$case, () => this.#exchange.call(call));
    if (!answer.ok) return answer;
    // The compiler does not follow that a case and its own value make one member of the union.
    if (answer.value.$case === $case) return ok(answer.value.value as ValueOf<Case>);
    return refuse('VAULT_UNAVAILABLE', 'an answer to another call');
  }
}

function slotsFromWire(wire: readonly KeySlot[]): Result<readonly ShownSlot[], 'VAULT_UNAVAILABLE'> {
  const slots: ShownSlot[] = [];
  for (const message of wire) {
    const slot = slotFromWire(message);
    if (!slot.ok) return refuse('VAULT_UNAVAILABLE', 'a slot of another version');
    slots.push(slot.value);
  }
  return ok(slots);
}

function translatedPayment(answer: AuthorizePaymentAnswer): TranslatedPayment {
  const { receipt, cardReference, zonePinBlock } = answer;
  return {
    receipt,
    accountData: {
      keyId: answer.zoneDataKeyId,
      initializationVector: answer.zoneDataInitializationVector,
      ciphertext: answer.zoneDataCiphertext,
    },
    pinBlock: zonePinBlock.length === 0 ? null : { keyId: answer.zonePinKeyId, block: zonePinBlock },
    cardReference,
  };
}
