import { createCipheriv, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { sha256 } from '../../../../src/encoding/digest.ts';
import { es256Header } from '../../../../src/encoding/jws.ts';
import { p256Thumbprint } from '../../../../src/encoding/p256.ts';
import { CONTEXT, signingInput } from '../../../../src/encoding/signed.ts';
import type { PaymentIntent } from '../../../../src/gate/intent.ts';
import { RECEIPT_TYPE } from '../../../../src/gate/receipt.ts';
import { ClearPin } from '../../../../src/payment-crypto/pin-block/clear-pin.ts';
import { encipherFormat4 } from '../../../../src/payment-crypto/pin-block/format4.ts';
import { Pan } from '../../../../src/payment-crypto/pin-block/pan.ts';
import { SecretKey } from '../../../../src/payment-crypto/secret-key.ts';
import { TEST_ACCOUNTS } from '../../../../src/virtual/card/account.ts';
import { createVirtualCard, type Tap } from '../../../../src/virtual/card/card.ts';
import { type Issuer, VirtualIssuer } from '../../../../src/virtual/processing/issuer.ts';
import { SqliteLedger } from '../../../../src/virtual/processing/ledger.ts';
import {
  type GateApproval,
  type GateDecision,
  PaymentProcessing,
  type PaymentSubmission,
  type PinAgain,
  type ProcessingPorts,
  type ReportedPayment,
} from '../../../../src/virtual/processing/pay.ts';
import { openZoneKeys } from '../../../../src/virtual/processing/zone-keys.ts';
import { decodeIntent, encodeIntent } from '../../../../src/wire/transaction.ts';
import { COMPONENTS, random, zoneDataKey, zoneDocument, zonePinKey } from './zone.ts';

export const NOW = new Date('2026-10-15T12:00:00Z');
export const RECEIPT_ISSUER = 'https://tapgate.test';
export const issuerMasterKey = SecretKey.ofOwned('AES', Buffer.alloc(16, 0x3c));

export const receiptKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const sessionKeys = new Map<string, ReturnType<typeof generateKeyPairSync>>();

function sessionOf(phone: string): { privateKey: KeyObject; publicKey: Buffer; thumbprint: string } {
  const pair = sessionKeys.get(phone) ?? generateKeyPairSync('ec', { namedCurve: 'P-256' });
  sessionKeys.set(phone, pair);
  const publicKey = (pair.publicKey as KeyObject).export({ type: 'spki', format: 'der' });
  return { privateKey: pair.privateKey as KeyObject, publicKey, thumbprint: p256Thumbprint(publicKey)! };
}

export interface Purchase {
  readonly order: string;
  readonly amountMinor?: bigint;
  /** Entered at the pad; none where absent. */
  readonly pin?: string;
  readonly phone?: string;
  readonly grantId?: string;
  readonly intent?: Partial<PaymentIntent>;
}

/** A payment as a phone submits it, and what the gate's vault would know of it. */
export interface Submitted extends PaymentSubmission {
  readonly tap: Tap;
  readonly pin: string | undefined;
}

const card = createVirtualCard({ ...TEST_ACCOUNTS.visa, issuerMasterKey, random });
let grants = 0;

export function submit(purchase: Purchase): Submitted {
  const { order, amountMinor = 1_250n, pin, phone = 'phone-1' } = purchase;
  grants += 1;
  const session = sessionOf(phone);
  const terms = { type: 'sale', amountMinor, currency: 978, merchant: 'corner-shop', order } as const;
  const verification = pin === undefined ? 'none' : 'online-pin';
  const tap = card.tap({ ...terms, country: 756, date: NOW, unpredictableNumber: random.bytes(4), verification });
  const intent: PaymentIntent = {
    acquirer: 'acme',
    thumbprint: session.thumbprint,
    grantId: purchase.grantId ?? `grant-${grants}`,
    terms,
    emvData: tap.iccData,
    accountData: { ksn: random.bytes(12), initializationVector: random.bytes(12), ciphertext: random.bytes(64) },
    claimedVerification: verification,
    pin: pin === undefined ? null : { ksn: random.bytes(12), blockHash: random.bytes(32) },
    ...purchase.intent,
  };
  const payload = encodeIntent(intent);
  const signature = sign('sha256', signingInput(CONTEXT.paymentIntent, payload), session.privateKey);
  return {
    deviceToken: 'token',
    intent: { payload, signature, keyId: '' },
    sessionKey: session.publicKey,
    tap,
    pin,
  };
}

export function intentOf({ intent }: PaymentSubmission): PaymentIntent {
  const decoded = decodeIntent(intent.payload);
  if (!decoded.ok) throw new Error(decoded.reason);
  return decoded.value;
}

export function signReceipt(
  claims: Record<string, unknown>,
  { type = RECEIPT_TYPE, kid = 'receipt-1', key = receiptKeys.privateKey } = {},
): string {
  const input = `${es256Header(kid, type)}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
  const signature = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}

export function claimsOf(submission: Submitted): Record<string, unknown> {
  const { acquirer, grantId, terms } = intentOf(submission);
  return {
    iss: RECEIPT_ISSUER,
    aud: acquirer,
    iat: NOW.getTime() / 1000,
    jti: 'receipt',
    sub: 'device',
    decision: 'approved',
    grant: grantId,
    intent: sha256(submission.intent.payload).toString('base64url'),
    merchant: terms.merchant,
    order: terms.order,
    amount: terms.amountMinor.toString(),
    currency: terms.currency,
    type: terms.type,
    policy: '1',
    card: Buffer.alloc(16, 0xca).toString('base64url'),
    pin: submission.pin !== undefined,
  };
}

function pinBlockOf(pin: string): Buffer {
  const clear = ClearPin.parse(Buffer.from(pin));
  const pan = Pan.parse(Buffer.from(TEST_ACCOUNTS.visa.pan));
  if (!clear.ok || !pan.ok) throw new Error('not a PIN');
  const block = encipherFormat4(zonePinKey(), clear.value, pan.value, random);
  if (!block.ok) throw new Error(block.reason);
  return block.value;
}

/** What the gate answers to a payment that it approves. */
export function approval(submission: Submitted, over: Partial<GateApproval> = {}): GateApproval {
  const initializationVector = random.bytes(12);
  const cipher = createCipheriv('aes-128-gcm', zoneDataKey().keyObject, initializationVector);
  cipher.setAAD(sha256(submission.intent.payload));
  const sealed = [cipher.update(submission.tap.accountData), cipher.final(), cipher.getAuthTag()];
  const { pin } = submission;
  return {
    outcome: 'approved',
    receipt: signReceipt(claimsOf(submission)),
    accountData: { keyId: 'zone-data-1', initializationVector, ciphertext: Buffer.concat(sealed) },
    pinBlock: pin === undefined ? null : { keyId: 'zone-pin-1', block: pinBlockOf(pin) },
    pinLost: false,
    ...over,
  };
}

/** A gate that approves everything, until told otherwise, and counts. */
export class FakeGate {
  asked = 0;
  answer: (submission: Submitted) => GateDecision | Promise<GateDecision> = approval;

  async authorizePayment(submission: PaymentSubmission): Promise<GateDecision> {
    this.asked += 1;
    return this.answer(submission as Submitted);
  }

  /** Outcomes in the order in which they were reported. */
  readonly reported: ReportedPayment[] = [];
  again: PinAgain | null = null;

  async reportOutcome(report: ReportedPayment): Promise<PinAgain | null> {
    this.reported.push(report);
    return report.outcome === 'approved' || report.outcome === 'declined' ? null : this.again;
  }
}

/** The virtual issuer, counted, and lost when told to be. */
export class CountedIssuer implements Issuer {
  readonly asked: string[] = [];
  readonly reversed: string[] = [];
  lost = false;
  readonly #issuer: Issuer;

  constructor(issuer: Issuer) {
    this.#issuer = issuer;
  }

  async authorise(request: Parameters<Issuer['authorise']>[0]) {
    this.asked.push(request.authorisationId.toString('hex'));
    const answer = await this.#issuer.authorise(request);
    if (this.lost) throw new Error('the issuer does not answer');
    return answer;
  }

  async reverse(authorisationId: Uint8Array): Promise<void> {
    this.reversed.push(Buffer.from(authorisationId).toString('hex'));
  }
}

export function openZone() {
  const zone = openZoneKeys(zoneDocument(), COMPONENTS);
  if (!zone.ok) throw new Error(zone.reason);
  return zone.value;
}

/** A folder that is removed at the end. */
export class Folder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'tapgate-processing-'));

  at(name: string): string {
    return join(this.path, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A whole processing over a fake gate, with a ledger of its own. */
export class Shop implements Disposable {
  readonly folder = new Folder();
  readonly ledger = new SqliteLedger(this.folder.at('ledger.sqlite'));
  readonly gate = new FakeGate();
  readonly issuer: CountedIssuer;
  readonly processing: PaymentProcessing;

  constructor(over: Partial<ProcessingPorts> = {}) {
    const zone = openZone();
    const clock = { now: () => NOW };
    const accounts = Object.values(TEST_ACCOUNTS);
    this.issuer = new CountedIssuer(
      new VirtualIssuer({ accounts, masterKey: issuerMasterKey, pinKey: zone.pin.key, clock }),
    );
    this.processing = new PaymentProcessing({
      clock,
      gate: this.gate,
      receiptKeys: { keys: async () => new Map([['receipt-1', receiptKeys.publicKey]]) },
      receiptIssuer: RECEIPT_ISSUER,
      zone,
      issuer: this.issuer,
      ledger: this.ledger,
      logger: pino({ level: 'silent' }),
      ...over,
    });
  }

  get balance(): bigint {
    return this.ledger.balance('corner-shop', 978);
  }

  [Symbol.dispose](): void {
    this.ledger.close();
    this.folder[Symbol.dispose]();
  }
}
