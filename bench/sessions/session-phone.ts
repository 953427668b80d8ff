import { createPrivateKey, type KeyObject } from 'node:crypto';
import type { ClientHttp2Session } from 'node:http2';
import { CONTEXT, type SigningContext } from '../../src/encoding/signed.ts';
import {
  DirectiveKind,
  OpenRequest,
  OpenResponse,
  SessionServiceService,
} from '../../src/gen/tapgate/v1/session_service.ts';
import { signFor } from '../../src/virtual/phone/memory.ts';
import { encodePostureReport } from '../../src/wire/posture.ts';
import { codesOf } from '../../src/wire/refusal.ts';
import { encodeBeginTransaction } from '../../src/wire/session.ts';
import { signedToWire } from '../../src/wire/signed.ts';
import { BareCall, type CallListener } from './bare-call.ts';

const CLEAN = new Set<never>();
const CURRENCY = 978;
const AMOUNT = 1250n;

/** A phone that the service's database knows. */
export interface PhoneRecord {
  readonly token: string;
  /** Session key, PKCS #8 DER in base64. */
  readonly privateKey: string;
  readonly merchant: string;
  /** Initial key identifiers, 8 bytes in base64 each. */
  readonly pinInitialKeyId: string;
  readonly accountDataInitialKeyId: string;
}

/** What is told of a phone. */
export interface PhoneListener {
  /** It has been told that nothing more begins in its session. */
  stopped(): void;
  /** Its session has ended with this gRPC status. */
  ended(status: number): void;
}

/** A key serial number: initial key identifier (8) || counter (4). */
export function ksnOf(initialKeyId: Buffer, counter: number): Buffer {
  const ksn = Buffer.alloc(12);
  initialKeyId.copy(ksn);
  ksn.writeUInt32BE(counter, 8);
  return ksn;
}

/** A phone with an open session, and what it is about to send, signed beforehand. */
export class SessionPhone implements CallListener {
  readonly #record: PhoneRecord;
  readonly #listener: PhoneListener;
  #key: KeyObject | null = null;
  #call: BareCall | null = null;
  #nonce = Buffer.alloc(0);
  #opened = false;
  #due = 0;
  #grants = 0;
  /** Of DUKPT; the first one proved the keys. */
  #counter = 1;
  #signed: Uint8Array | null = null;
  #waiting: {
    readonly until: () => boolean;
    readonly resolve: () => void;
    readonly reject: (why: Error) => void;
  } | null = null;

  constructor(record: PhoneRecord, listener: PhoneListener) {
    this.#record = record;
    this.#listener = listener;
  }

  /** Opens the session, makes the first report, and hears when the next one is due. */
  async open(session: ClientHttp2Session): Promise<void> {
    this.#opened = false;
    this.#due = 0;
    this.#call = new BareCall(session, SessionServiceService.open.path, this);
    const due = this.#until(() => this.#due === 1);
    this.#send({ $case: 'open', value: { deviceToken: this.#record.token } });
    await due;
    this.signReport();
    const opened = this.#until(() => this.#opened && this.#due === 2);
    this.#sendSigned();
    await opened;
  }

  /** Signs the report that is due. */
  signReport(): void {
    const report = encodePostureReport(this.#nonce, CLEAN);
    this.#signed = encoded({ $case: 'report', value: this.#sign(CONTEXT.postureReport, report) });
  }

  /** Sends the signed report; resolves once the next one is asked for. */
  async report(): Promise<void> {
    const due = this.#due;
    const answered = this.#until(() => this.#due > due);
    this.#sendSigned();
    await answered;
  }

  /** Signs the beginning of a transaction. */
  signBeginning(): void {
    const { merchant, pinInitialKeyId, accountDataInitialKeyId } = this.#record;
    this.#counter += 1;
    const request = encodeBeginTransaction({
      nonce: this.#nonce,
      terms: { type: 'sale', amountMinor: AMOUNT, currency: CURRENCY, merchant, order: `order-${this.#counter}` },
      pinKsn: ksnOf(Buffer.from(pinInitialKeyId, 'base64'), this.#counter),
      accountDataKsn: ksnOf(Buffer.from(accountDataInitialKeyId, 'base64'), this.#counter),
      parentGrantId: null,
    });
    this.#signed = encoded({ $case: 'beginTransaction', value: this.#sign(CONTEXT.beginTransaction, request) });
  }

  /** Sends the signed beginning; resolves once it is granted. */
  async begin(): Promise<void> {
    const grants = this.#grants;
    const granted = this.#until(() => this.#grants > grants);
    this.#sendSigned();
    await granted;
  }

  message(bytes: Buffer): void {
    const { message } = OpenResponse.decode(bytes);
    if (message?.$case === 'reportDue') {
      this.#nonce = Buffer.from(message.value.nonce);
      this.#due += 1;
    } else if (message?.$case === 'opened') {
      this.#opened = true;
    } else if (message?.$case === 'grant') {
      this.#grants += 1;
    } else if (message?.$case === 'directive' && message.value.kind === DirectiveKind.SUSPEND) {
      this.#listener.stopped();
    } else if (message?.$case === 'transactionRefused') {
      this.#waiting?.reject(new Error(`no grant: ${codesOf(message.value.refusal).join()}`));
    }
    if (this.#waiting?.until() !== true) return;
    this.#waiting.resolve();
    this.#waiting = null;
  }

  ended(status: number): void {
    this.#call = null;
    this.#waiting?.reject(new Error(`the session has ended with status ${status}`));
    this.#waiting = null;
    this.#listener.ended(status);
  }

  #until(until: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting = { until, resolve, reject };
    });
  }

  #sign(context: SigningContext, payload: Buffer) {
    const { privateKey } = this.#record;
    this.#key ??= createPrivateKey({ key: Buffer.from(privateKey, 'base64'), format: 'der', type: 'pkcs8' });
    return signedToWire(signFor(context, payload, this.#key));
  }

  #sendSigned(): void {
    if (this.#signed === null) throw new Error('nothing is signed');
    this.#call?.send(this.#signed);
    this.#signed = null;
  }

  #send(message: OpenRequest['message']): void {
    this.#call?.send(encoded(message));
  }
}

function encoded(message: OpenRequest['message']): Uint8Array {
  return OpenRequest.encode({ message }).finish();
}
