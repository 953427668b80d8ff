import type { KeyObject } from 'node:crypto';
import { forbiddenSigns, type Posture } from '../devices/posture.ts';
import type { AttestedSession } from '../devices/store.ts';
import { accountDataHash } from '../encoding/contexts.ts';
import { equalBytes, sha256 } from '../encoding/digest.ts';
import { CONTEXT, type SignedBytes, verifySigned } from '../encoding/signed.ts';
import { type Clock, earlier, secondsAfter } from '../ports/clock.ts';
import { type Random, randomUuid } from '../ports/random.ts';
import type { VolatileStore } from '../ports/volatile.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import type { PostureReport } from '../sessions/open-session.ts';
import type { ReportDue } from '../sessions/reports.ts';
import type { StoredGrant } from '../sessions/store.ts';
import type { PinPolicy } from './policy.ts';
import type { HeldPinBlock, PinGrantStore } from './store.ts';
import type { EncryptedAccountData, PinGrant, PinVault } from './vault.ts';

/** A phone's wish to enter a PIN, parsed from its signed bytes. */
export interface PinEntryRequest {
  readonly grantId: string;
  readonly accountData: EncryptedAccountData;
  readonly posture: Posture;
  /** Asks for the keypad in its usual order. */
  readonly accessibleLayout: boolean;
  readonly signed: SignedBytes;
}

/** A PIN block as the phone signed it, parsed from its signed bytes. */
export interface PinBlock {
  readonly pinGrantId: string;
  readonly grantId: string;
  readonly pinKsn: Buffer;
  readonly block: Buffer;
  readonly accountDataHash: Buffer;
  readonly signed: SignedBytes;
}

/** What PIN entry stands on. */
export interface PinEntryPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly grants: PinGrantStore;
  readonly vault: PinVault;
  readonly held: VolatileStore<HeldPinBlock>;
  /** Whether device and session stand as they did when the entry began. */
  readonly stillStands: (session: AttestedSession) => Promise<Result<null>>;
}

/** An accepted PIN block. */
export interface PinAccepted {
  readonly heldUntil: Date;
}

/** What policy alone says of a PIN entry that a phone begins. */
export function appraiseEntry(
  { posture, accessibleLayout }: Pick<PinEntryRequest, 'posture' | 'accessibleLayout'>,
  policy: PinPolicy,
): Result<null> {
  if (!policy.allowed) return refuse('PIN_NOT_EXPECTED');
  const forbidden = forbiddenSigns(posture, policy.postureForbidsPin);
  if (forbidden.length > 0) return refuse('POSTURE_REFUSED', forbidden.join(','));
  return accessibleLayout && policy.accessibleLayout !== 'on-request' ? refuse('ACCESSIBLE_LAYOUT_REFUSED') : ok(null);
}

/**
 * One PIN entry, from the second appraisal to the accepted block.
 *
 * States: begun -> pad shows (reports in time, clean, one at the least) -> accepted | over. Nothing leaves the last one,
 * and what stops the entry from outside is not undone by a block that is being checked.
 */
export class PinEntry {
  readonly #session: AttestedSession;
  readonly #key: KeyObject;
  readonly #grant: StoredGrant;
  readonly #pinGrant: PinGrant;
  readonly #signedPinGrant: SignedBytes;
  readonly #accountData: EncryptedAccountData;
  readonly #policy: PinPolicy;
  readonly #ports: PinEntryPorts;
  #nonce: Buffer;
  #dueAt: number;
  #reported = false;
  #over = false;
  #stopped = false;

  private constructor(
    session: AttestedSession,
    key: KeyObject,
    grant: StoredGrant,
    pinGrant: PinGrant,
    signedPinGrant: SignedBytes,
    accountData: EncryptedAccountData,
    policy: PinPolicy,
    ports: PinEntryPorts,
  ) {
    this.#session = session;
    this.#key = key;
    this.#grant = grant;
    this.#pinGrant = pinGrant;
    this.#signedPinGrant = signedPinGrant;
    this.#accountData = accountData;
    this.#policy = policy;
    this.#ports = ports;
    this.#nonce = pinGrant.nonce;
    this.#dueAt = ports.clock.now().getTime() + policy.reportMilliseconds + policy.reportGraceMilliseconds;
  }

  /** The second appraisal; then the signed PIN grant, once a transaction grant. */
  static async begin(
    session: AttestedSession,
    key: KeyObject,
    request: PinEntryRequest,
    policy: PinPolicy,
    ports: PinEntryPorts,
  ): Promise<Result<{ readonly entry: PinEntry; readonly pinGrant: SignedBytes }>> {
    if (!verifySigned(CONTEXT.pinEntry, request.signed, key)) return refuse('SESSION_KEY_MISMATCH');
    const stored = await ports.grants.grantOf(request.grantId, session.thumbprint);
    if (stored === null) return refuse('GRANT_UNKNOWN');
    const { grant } = stored;
    const now = ports.clock.now();
    if (now >= grant.expiresAt) return refuse('GRANT_EXPIRED');
    if (!grant.pinAllowed) return refuse('PIN_NOT_EXPECTED');
    const appraised = appraiseEntry(request, policy);
    if (!appraised.ok) return appraised;
    if (!equalBytes(request.accountData.ksn, grant.accountDataKsn))
      return refuse('PIN_GRANT_MISMATCH', 'account data KSN');
    const { accessibleLayout } = request;
    const layout = accessibleLayout ? ok(USUAL_LAYOUT) : await ports.vault.shuffleLayout();
    if (!layout.ok) return layout;
    const expiry = secondsAfter(now, policy.entrySeconds);
    const pinGrant: PinGrant = {
      id: randomUuid(ports.random),
      grantId: grant.id,
      thumbprint: session.thumbprint,
      accountDataHash: hashOf(request.accountData),
      pinKsn: grant.pinKsn,
      layout: layout.value,
      accessibleLayout,
      minimumLength: policy.minimumLength,
      maximumLength: policy.maximumLength,
      reportIntervalMilliseconds: policy.reportMilliseconds,
      expiresAt: earlier(expiry, grant.expiresAt),
      nonce: ports.random.bytes(16),
    };
    const signed = await ports.vault.signPinGrant({ pinGrant, grant: stored.signed });
    if (!signed.ok) return signed;
    const begun = { at: now, layout: accessibleLayout ? ('usual' as const) : ('shuffled' as const) };
    if (!(await ports.grants.beginPinEntry(grant.id, begun))) return refuse('PIN_ENTRY_BEGUN');
    const entry = new PinEntry(session, key, stored, pinGrant, signed.value, request.accountData, policy, ports);
    return ok({ entry, pinGrant: signed.value });
  }

  /** Milliseconds until the next report is overdue, or until the entry ends. */
  millisecondsToReport(): number {
    const limit = Math.min(this.#dueAt, this.#pinGrant.expiresAt.getTime());
    return Math.max(0, limit - this.#ports.clock.now().getTime());
  }

  /** Takes a report while the pad shows; anything but a clean one in time ends the entry. */
  report(report: PostureReport): Result<ReportDue> {
    const verdict = this.#appraiseReport(report);
    if (!verdict.ok) {
      this.#over = true;
      return verdict;
    }
    this.#reported = true;
    this.#nonce = this.#ports.random.bytes(16);
    const within = this.#policy.reportMilliseconds;
    this.#dueAt = this.#ports.clock.now().getTime() + within + this.#policy.reportGraceMilliseconds;
    return ok({ nonce: this.#nonce, withinMilliseconds: within });
  }

  #appraiseReport(report: PostureReport): Result<null> {
    if (this.#over) return refuse('PIN_ABORTED');
    if (!verifySigned(CONTEXT.postureReport, report.signed, this.#key)) return refuse('SESSION_KEY_MISMATCH');
    if (!equalBytes(report.nonce, this.#nonce)) return refuse('REPORT_NONCE_STALE');
    const late = this.#lateness();
    if (late !== null) return refuse(late);
    const forbidden = forbiddenSigns(report.posture, this.#policy.postureForbidsPin);
    return forbidden.length > 0 ? refuse('POSTURE_REFUSED', forbidden.join(',')) : ok(null);
  }

  /** Why it is too late: the pad has shown as long as it may, or the report that is due did not come in time. */
  #lateness(): 'PIN_TIMEOUT' | 'REPORT_OVERDUE' | null {
    const now = this.#ports.clock.now();
    if (now >= this.#pinGrant.expiresAt) return 'PIN_TIMEOUT';
    return now.getTime() > this.#dueAt ? 'REPORT_OVERDUE' : null;
  }

  /** Why an entry that heard nothing in time is over. */
  get overdue(): 'PIN_TIMEOUT' | 'REPORT_OVERDUE' {
    return this.#lateness() ?? 'REPORT_OVERDUE';
  }

  /** Ends the entry from outside: no block is accepted from here on, not even one that is being checked. */
  stop(): void {
    this.#over = true;
    this.#stopped = true;
  }

  /** Takes the one PIN block of this entry. */
  async accept(pin: PinBlock): Promise<Result<PinAccepted>> {
    if (this.#over) return refuse('PIN_ABORTED');
    this.#over = true;
    if (!verifySigned(CONTEXT.pinBlock, pin.signed, this.#key)) return refuse('SESSION_KEY_MISMATCH');
    const late = this.#lateness();
    if (late !== null) return refuse(late);
    if (!this.#reported) return refuse('REPORT_OVERDUE', 'no report since the pad shows');
    if (isEarlier(pin.pinKsn, this.#pinGrant.pinKsn)) return refuse('PIN_KSN_STALE');
    const bound =
      pin.pinGrantId === this.#pinGrant.id &&
      pin.grantId === this.#pinGrant.grantId &&
      equalBytes(pin.pinKsn, this.#pinGrant.pinKsn) &&
      equalBytes(pin.accountDataHash, this.#pinGrant.accountDataHash);
    if (!bound) return refuse('PIN_GRANT_MISMATCH');
    const checked = await this.#ports.vault.checkPinBlock({
      pinGrant: this.#signedPinGrant,
      block: pin.block,
      accountData: this.#accountData,
      grant: this.#grant.signed,
    });
    if (!checked.ok) return checked;
    const stands = await this.#ports.stillStands(this.#session);
    if (!stands.ok) return stands;
    if (this.#stopped) return refuse('PIN_ABORTED');
    if (this.#ports.clock.now() >= this.#grant.grant.expiresAt) return refuse('GRANT_EXPIRED');
    const heldUntil = this.#grant.grant.expiresAt;
    const held: HeldPinBlock = {
      grantId: pin.grantId,
      pinGrantId: pin.pinGrantId,
      hash: sha256(pin.block),
      block: inOwnMemory(pin.block),
      accountDataHash: inOwnMemory(pin.accountDataHash),
      heldUntil,
    };
    const standing = await this.#ports.held.putIfAbsent(pin.grantId, held, heldUntil);
    return equalBytes(standing.hash, held.hash) ? ok({ heldUntil }) : refuse('PIN_ALREADY_ENTERED');
  }
}

/**
 * Answers a PIN block that was sent before a stream was cut: the same bytes, from the same session, get the same answer;
 * anything else is refused.
 */
export async function repeatPinBlock(
  session: AttestedSession,
  key: KeyObject,
  pin: PinBlock,
  ports: Pick<PinEntryPorts, 'grants' | 'held'>,
): Promise<Result<PinAccepted>> {
  if (!verifySigned(CONTEXT.pinBlock, pin.signed, key)) return refuse('SESSION_KEY_MISMATCH');
  if ((await ports.grants.grantOf(pin.grantId, session.thumbprint)) === null) return refuse('GRANT_UNKNOWN');
  const held = await ports.held.get(pin.grantId);
  if (held === null) return refuse('PIN_LOST');
  const same = held.pinGrantId === pin.pinGrantId && equalBytes(held.hash, sha256(pin.block));
  return same ? ok({ heldUntil: held.heldUntil }) : refuse('PIN_ALREADY_ENTERED');
}

/** The keypad as phones have it: 1 to 9, then 0. */
export const USUAL_LAYOUT = '1234567890';

/** True for a KSN of the same initial key at a lower counter. */
function isEarlier(ksn: Buffer, granted: Buffer): boolean {
  return equalBytes(ksn.subarray(0, 8), granted.subarray(0, 8)) && ksn.readUInt32BE(8) < granted.readUInt32BE(8);
}

/** A copy: a slice would keep the whole message, and the block of memory that it came in, until the grant expires. */
function inOwnMemory(bytes: Buffer): Buffer {
  return Buffer.from(Uint8Array.from(bytes).buffer);
}

function hashOf(data: EncryptedAccountData): Buffer {
  return accountDataHash(data.ksn, data.initializationVector, data.ciphertext);
}
