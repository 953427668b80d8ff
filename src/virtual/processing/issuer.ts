import { compareWithTerms, type IccData, readIccData } from '../../emv/icc.ts';
import { equalBytes } from '../../encoding/digest.ts';
import { readTlv, type TlvLimits } from '../../encoding/tlv.ts';
import { decipherFormat4 } from '../../payment-crypto/pin-block/format4.ts';
import { Pan } from '../../payment-crypto/pin-block/pan.ts';
import type { SecretBytes } from '../../payment-crypto/secret.ts';
import type { SecretKey } from '../../payment-crypto/secret-key.ts';
import type { Clock } from '../../ports/clock.ts';
import type { TransactionTerms } from '../../sessions/transaction.ts';
import { expiryDay, type VirtualAccount } from '../card/account.ts';
import { deriveCardKey, verifyApplicationCryptogram } from '../card/cryptogram.ts';

/** What processing sends to an issuer. */
export interface IssuerRequest {
  /** Names the authorisation: the same id again asks for the same one, never for a second. */
  readonly authorisationId: Buffer;
  readonly terms: TransactionTerms;
  /** BER-TLV, as the card gave it. */
  readonly emvData: Uint8Array;
  /** BER-TLV of 57, 5A, 5F24, 5F34, in clear; lent for the call. */
  readonly accountData: SecretBytes;
  /** ISO 9564-1 format 4 under the zone PIN key, or null. */
  readonly pinBlock: Uint8Array | null;
}

/** Why an issuer declines; for the log, never for the phone. */
export type DeclineReason =
  | 'ACCOUNT_DATA_MALFORMED'
  | 'ICC_DATA_MALFORMED'
  | 'TERMS_MISMATCH'
  | 'CARD_UNKNOWN'
  | 'CARD_EXPIRED'
  | 'CRYPTOGRAM_INVALID'
  | 'PIN_REQUIRED'
  | 'PIN_WRONG';

/** What an issuer answers. */
export type IssuerAnswer =
  | { readonly decision: 'approved'; readonly pinVerified: boolean }
  | { readonly decision: 'declined'; readonly reason: DeclineReason };

/** An issuer. Both calls reject where it cannot be reached; what became of the authorisation is then not known. */
export interface Issuer {
  authorise(request: IssuerRequest): Promise<IssuerAnswer>;
  /** Undoes an authorisation, whether it came about or not. */
  reverse(authorisationId: Uint8Array): Promise<void>;
}

/** What the virtual issuer knows. */
export interface VirtualIssuerOptions {
  readonly accounts: readonly VirtualAccount[];
  /** AES-128: the cards' keys are derived from it. */
  readonly masterKey: SecretKey;
  /** The zone PIN key that PIN blocks come under. */
  readonly pinKey: SecretKey;
  readonly clock: Clock;
}

const ACCOUNT_LIMITS: TlvLimits = { maximumBytes: 256, maximumDepth: 1, maximumElements: 8 };
/** First byte of tag 9F34: enciphered PIN verified online (EMV Book 3 C3), without the bit of a fallback rule. */
const ONLINE_PIN = 0x02;
const METHOD_BITS = 0x3f;

const declined = (reason: DeclineReason): IssuerAnswer => ({ decision: 'declined', reason });

/** Issuer of the virtual cards: it holds no funds, so it approves what is genuine and there is nothing to undo. */
export class VirtualIssuer implements Issuer {
  readonly #options: VirtualIssuerOptions;
  readonly #accounts: ReadonlyMap<string, VirtualAccount>;

  constructor(options: VirtualIssuerOptions) {
    this.#options = options;
    this.#accounts = new Map(options.accounts.map((account) => [account.pan, account]));
  }

  async authorise(request: IssuerRequest): Promise<IssuerAnswer> {
    const card = request.accountData.use(readAccount);
    if (card === null) return declined('ACCOUNT_DATA_MALFORMED');
    const icc = readIccData(request.emvData);
    if (!icc.ok) return declined('ICC_DATA_MALFORMED');
    if (!compareWithTerms(icc.value, request.terms).ok) return declined('TERMS_MISMATCH');
    const account = this.#accounts.get(card.pan);
    if (account === undefined || account.sequenceNumber !== card.sequenceNumber) return declined('CARD_UNKNOWN');
    if (card.expiry !== expiryDay(account.expiry) || this.#expired(card.expiry)) return declined('CARD_EXPIRED');
    using cardKey = deriveCardKey(this.#options.masterKey, account.pan, account.sequenceNumber);
    if (!verifyApplicationCryptogram(cardKey, icc.value)) return declined('CRYPTOGRAM_INVALID');
    if (request.pinBlock === null) {
      return asksForPin(icc.value) ? declined('PIN_REQUIRED') : { decision: 'approved', pinVerified: false };
    }
    return this.#pinHolds(account, request.pinBlock)
      ? { decision: 'approved', pinVerified: true }
      : declined('PIN_WRONG');
  }

  async reverse(): Promise<void> {}

  #expired(yymmdd: string): boolean {
    const today = this.#options.clock.now().toISOString();
    return `20${yymmdd}` < `${today.slice(0, 4)}${today.slice(5, 7)}${today.slice(8, 10)}`;
  }

  /** Deciphers the block and compares the PIN with the account's. */
  #pinHolds(account: VirtualAccount, block: Uint8Array): boolean {
    const pan = Pan.parse(Buffer.from(account.pan, 'ascii'));
    if (!pan.ok) return false;
    using owned = pan.value;
    const entered = decipherFormat4(this.#options.pinKey, block, owned);
    if (!entered.ok) return false;
    using pin = entered.value;
    return pin.use((digits) => equalBytes(digits, Uint8Array.from(account.pin, Number)));
  }
}

interface TappedCard {
  readonly pan: string;
  /** YYMMDD. */
  readonly expiry: string;
  readonly sequenceNumber: number;
}

function readAccount(bytes: Uint8Array): TappedCard | null {
  const elements = readTlv(bytes, ACCOUNT_LIMITS);
  if (!elements.ok) return null;
  const byTag = new Map(elements.value.map(({ tag, value }) => [tag, Buffer.from(value).toString('hex')]));
  const pan = byTag.get('5A')?.replace(/f$/, '');
  const expiry = byTag.get('5F24');
  const sequenceNumber = byTag.get('5F34') ?? '00';
  const wellFormed =
    pan !== undefined &&
    expiry !== undefined &&
    /^\d{12,19}$/.test(pan) &&
    /^\d{6}$/.test(expiry) &&
    /^\d{2}$/.test(sequenceNumber);
  return wellFormed ? { pan, expiry, sequenceNumber: Number(sequenceNumber) } : null;
}

function asksForPin(icc: IccData): boolean {
  return ((icc.get('9F34')?.[0] ?? 0) & METHOD_BITS) === ONLINE_PIN;
}
