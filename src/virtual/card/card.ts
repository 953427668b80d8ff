import { tlv } from '../../encoding/tlv.ts';
import { SecretKey } from '../../payment-crypto/secret-key.ts';
import type { Random } from '../../ports/random.ts';
import type { CardholderVerification, TransactionType } from '../../sessions/transaction.ts';
import { accountDefect, expiryDay, type VirtualAccount } from './account.ts';
import { applicationCryptogram, deriveCardKey } from './cryptogram.ts';
import { SCHEME_VALUES, verificationElements } from './scheme.ts';

/** What the terminal puts into a transaction. */
export interface TapTerms {
  /** Minor units, at most 12 digits. */
  readonly amountMinor: bigint;
  /** ISO 4217 numeric. */
  readonly currency: number;
  /** ISO 3166-1 numeric. */
  readonly country: number;
  readonly type: TransactionType;
  /** The transaction's date, taken in UTC. */
  readonly date: Date;
  /** 4 bytes. */
  readonly unpredictableNumber: Uint8Array;
  /** What terminal and card agreed on; `none` where absent. */
  readonly verification?: CardholderVerification;
}

/** What a tap gives. */
export interface Tap {
  /** BER-TLV without account data: what the intent carries in clear. */
  readonly iccData: Buffer;
  /** BER-TLV of 57, 5A, 5F24, 5F34: encrypted before it goes anywhere. */
  readonly accountData: Buffer;
}

/** An account, its issuer's master key (AES-128), and where the transaction counter starts from. */
export interface VirtualCardOptions extends VirtualAccount {
  readonly issuerMasterKey: SecretKey;
  readonly random: Random;
}

const TYPE_CODES: Readonly<Record<TransactionType, string>> = {
  sale: '00',
  refund: '20',
  void: '02',
  'zero-amount': '00',
};
/** Tag 9F27: an authorisation request cryptogram, so that the payment goes online. */
const AUTHORISATION_REQUEST = '80';
/** Tag 9F33: no stripe, keys or contacts; online PIN and no CVM; CDA. */
const TERMINAL_CAPABILITIES = '004808';
const SERVICE_CODE = '201';
const HIGHEST_COUNTER = 0xffff;
/** Half of the counters are left; that two cards of one account are where the other was is unlikely. */
const HIGHEST_START = 0x7fff;

/** Numeric (BCD) of so many digits. Throws RangeError where the value has more. */
function numeric(value: bigint | number, digits: number): string {
  const text = value.toString().padStart(digits, '0');
  if (!/^\d+$/.test(text) || text.length !== digits) throw new RangeError(`not a number of ${digits} digits`);
  return text;
}

const padded = (digits: string): string => (digits.length % 2 === 0 ? digits : `${digits}F`);
const hex = (text: string): Buffer => Buffer.from(text, 'hex');

/** A contactless card: data as a kernel hands it on, no APDUs. */
export class VirtualCard {
  readonly account: VirtualAccount;
  readonly #key: SecretKey;
  #counter: number;

  constructor({ issuerMasterKey, random, scheme, pan, expiry, sequenceNumber, pin }: VirtualCardOptions) {
    this.account = { scheme, pan, expiry, sequenceNumber, pin };
    const defect = accountDefect(this.account);
    if (defect !== null) throw new RangeError(`the account's ${defect} is not well formed`);
    this.#key = deriveCardKey(issuerMasterKey, pan, sequenceNumber);
    this.#counter = random.bytes(2).readUInt16BE() & HIGHEST_START;
  }

  /** The application transaction counter of the latest tap. */
  get transactionCounter(): number {
    return this.#counter;
  }

  /** Taps the card once. Throws RangeError for terms that do not fit their tags, and when the counter is used up. */
  tap(terms: TapTerms): Tap {
    if (terms.unpredictableNumber.length !== 4) throw new RangeError('an unpredictable number has 4 bytes');
    if (this.#counter >= HIGHEST_COUNTER) throw new RangeError('the transaction counter of the card is used up');
    const icc = this.#elements(terms, this.#counter + 1);
    this.#counter += 1;
    const cryptogram = applicationCryptogram(this.#key, icc);
    if (cryptogram === null) throw new Error('a card makes every tag that it signs');
    icc.set('9F26', cryptogram);
    return { iccData: encode(icc), accountData: encode(this.#accountElements()) };
  }

  #elements(terms: TapTerms, counter: number): Map<string, Buffer> {
    const { scheme } = this.account;
    const values = SCHEME_VALUES[scheme];
    const date = terms.date.toISOString();
    const icc = new Map([
      ['82', hex(values.interchangeProfile)],
      ['84', hex(values.applicationId)],
      ['95', hex(values.verificationResults)],
      ['9A', hex(`${date.slice(2, 4)}${date.slice(5, 7)}${date.slice(8, 10)}`)],
      ['9C', hex(TYPE_CODES[terms.type])],
      ['5F2A', hex(numeric(terms.currency, 4))],
      ['9F02', hex(numeric(terms.amountMinor, 12))],
      ['9F03', hex(numeric(0, 12))],
      ['9F10', hex(values.issuerApplicationData)],
      ['9F1A', hex(numeric(terms.country, 4))],
      ['9F27', hex(AUTHORISATION_REQUEST)],
      ['9F33', hex(TERMINAL_CAPABILITIES)],
      ['9F36', hex(counter.toString(16).padStart(4, '0'))],
      ['9F37', Buffer.from(terms.unpredictableNumber)],
    ]);
    for (const [tag, value] of verificationElements(scheme, terms.verification ?? 'none')) icc.set(tag, hex(value));
    return icc;
  }

  #accountElements(): Map<string, Buffer> {
    const { pan, expiry, sequenceNumber } = this.account;
    return new Map([
      ['57', hex(padded(`${pan}D${expiry}${SERVICE_CODE}0000000000`))],
      ['5A', hex(padded(pan))],
      ['5F24', hex(expiryDay(expiry))],
      ['5F34', hex(numeric(sequenceNumber, 2))],
    ]);
  }
}

function encode(elements: ReadonlyMap<string, Uint8Array>): Buffer {
  return Buffer.concat([...elements].map(([tag, value]) => tlv(tag, value)));
}

/**
 * Makes a card of an account under an issuer's master key; its transaction counter starts at random below 32768. Throws
 * RangeError for an account that is not well formed or a key that is not AES-128.
 */
export function createVirtualCard(options: VirtualCardOptions): VirtualCard {
  return new VirtualCard(options);
}

/** A test card of an issuer that nobody knows: good for a tap, not for a payment. */
export function createStrayCard(account: VirtualAccount, random: Random): VirtualCard {
  const issuerMasterKey = SecretKey.generate('AES', 128, random);
  return new VirtualCard({ ...account, issuerMasterKey, random });
}
