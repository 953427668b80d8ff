import type { AttestedSession } from '../../devices/store.ts';
import type { SignedBytes } from '../../encoding/signed.ts';
import type { OpenRequest, OpenResponse } from '../../gen/tapgate/v1/session_service.ts';
import type { SignedMessage } from '../../gen/tapgate/v1/signed.ts';
import type { PolicySubject } from '../../policy/resolve.ts';
import type { Reason } from '../../reasons/catalogue.ts';
import { type Refusal, type Result, refuse } from '../../reasons/result.ts';
import type { Arrivals } from '../../sessions/arrivals.ts';
import { type AttestationAgePolicy, attestAgain } from '../../sessions/attest-again.ts';
import type { Directive } from '../../sessions/directive.ts';
import {
  appraiseGrant,
  type GrantPolicy,
  type GrantPorts,
  issueGrant,
  type TransactionRequest,
} from '../../sessions/grant.ts';
import { KeyAdvice } from '../../sessions/key-advice.ts';
import type { WearLimits } from '../../sessions/key-wear.ts';
import { OpenSession } from '../../sessions/open-session.ts';
import type { OpenCallHandle } from '../../sessions/presence.ts';
import type { ReportDue } from '../../sessions/reports.ts';
import type { GrantStore, StoredGrant } from '../../sessions/store.ts';
import type { PresenceSubject } from '../../sessions/subject.ts';
import type { CardholderVerification } from '../../sessions/transaction.ts';
import { decodePostureReport } from '../../wire/posture.ts';
import { refusalMessage } from '../../wire/refusal.ts';
import { decodeBeginTransaction } from '../../wire/session.ts';
import { signedFromWire, signedToWire } from '../../wire/signed.ts';
import type { CallContext } from '../transport/context.ts';
import type { Conversation } from '../transport/exchange.ts';
import { CallRefused, orRefuse } from '../transport/refused.ts';
import { Turns } from '../transport/turns.ts';
import { type Bearer, type BearerPorts, bearerOf } from './bearer.ts';
import { DirectiveStream } from './directive-stream.ts';

/** What policy says of a phone's session. */
export type PhonePolicy = GrantPolicy & Pick<AttestationAgePolicy, 'fullAttestationSeconds'>;

/** What the session service is made of. */
export interface SessionServiceParts {
  readonly ports: GrantPorts & { readonly grants: Pick<GrantStore, 'keyWear'> };
  readonly bearer: BearerPorts;
  readonly arrivals: Pick<Arrivals, 'enter'>;
  /** The policy that holds for a phone, asked for anew each time. */
  readonly policy: (subject: PresenceSubject) => PhonePolicy;
  /** Base derivation keys that new keys come from. */
  readonly bdkIds: () => WearLimits['bdkIds'];
  /** What a phone is told of enforcement that is announced. */
  readonly advice: (subject: PresenceSubject) => readonly Directive[];
  /** Told how each transaction that begins is judged, for candidates of policy. */
  readonly onBegin?: (
    subject: PolicySubject,
    judge: (policy: Pick<GrantPolicy, 'sessions' | 'pinAllowed'>) => Result<CardholderVerification>,
  ) => void;
  /** Service keys as the anchor endorses them; another array once they have changed. */
  readonly serviceKeys: () => readonly SignedBytes[];
}

/** What one phone's session is made of. */
export interface PhoneSessionParts {
  readonly stream: Conversation<OpenRequest, OpenResponse>;
  readonly context: CallContext;
  readonly parts: SessionServiceParts;
  readonly deviceToken: string;
  readonly bearer: SessionBearer;
}

/** What an open session keeps of its bearer; facts and checks of the attestation stay in the store. */
export type SessionBearer = Pick<Bearer, 'subject' | 'key' | 'validUntil'> & {
  readonly session: Pick<AttestedSession, 'merchant' | 'acquirer' | 'pinForbidden' | 'attestedAt'>;
};

/** Takes out of a bearer what its open session keeps. */
export function sessionBearer({ subject, key, validUntil, session }: Bearer): SessionBearer {
  const { merchant, acquirer, pinForbidden, attestedAt } = session;
  return { subject, key, validUntil, session: { merchant, acquirer, pinForbidden, attestedAt } };
}

/** Sessions that have been told and are to end: so many in each turn, between which payments and leases go on. */
const ENDINGS = new Turns(32);

type Message = NonNullable<OpenRequest['message']>;

/** One open session on its stream: the timers and the order of messages; what they mean is decided in `sessions`. */
export class PhoneSession implements OpenCallHandle {
  readonly #on: PhoneSessionParts;
  readonly #state: OpenSession;
  readonly #directives: DirectiveStream;
  #opened = false;
  #told: readonly SignedBytes[] = [];
  /** A transaction that waits for a report that is young enough. */
  #held: TransactionRequest | null = null;
  #attestAgainTold = false;
  readonly #keys: KeyAdvice;

  constructor(on: PhoneSessionParts) {
    this.#on = on;
    const { clock, random } = on.parts.ports;
    this.#state = new OpenSession(on.bearer.key, clock, random);
    this.#directives = new DirectiveStream(on.stream);
    this.#keys = new KeyAdvice(on.bearer.subject.deviceId, on.parts.ports.grants);
  }

  /** The phone as policy and kill switches know it. */
  get subject(): PresenceSubject {
    return this.#on.bearer.subject;
  }

  end(reason: Reason, because: readonly Reason[] = []): void {
    const end = () => this.#on.stream.refuse([reason, ...because]);
    // Nothing begins in it any more and its phone is told: its stream need not end before others have been told.
    if (this.#state.isSuspended) ENDINGS.add(end);
    else end();
  }

  direct(directive: Directive): void {
    if (directive.kind === 'suspend') this.#state.suspend(directive.reason ?? 'DEVICE_SUSPENDED');
    this.#directives.put(directive);
    if (directive.kind === 'policy-changed') {
      this.#announce();
      // A stream that has ended tells its own reader why.
      this.#askSooner().catch(() => {});
    }
    void this.#directives.flush();
  }

  /** Takes messages until the phone closes the session; rejects with CallRefused where it is ended. */
  async run(): Promise<void> {
    await this.#ask(this.#state.askForReport(this.#policy.sessions));
    for (;;) {
      const message = await this.#next();
      if (message === null) return;
      if (message === 'nothing came') await this.#lookAtTheClock();
      else if (message.$case === 'report') await this.#report(message.value);
      else if (message.$case === 'beginTransaction' && this.#opened) await this.#begin(message.value);
      else throw new CallRefused(['MESSAGE_OUT_OF_ORDER'], `${message.$case} is not due`);
    }
  }

  get #policy(): PhonePolicy {
    return this.#on.parts.policy(this.#on.bearer.subject);
  }

  get #now(): Date {
    return this.#on.parts.ports.clock.now();
  }

  async #next(): Promise<Message | null | 'nothing came'> {
    const { stream } = this.#on;
    try {
      const request = await stream.next({ withinMilliseconds: this.#millisecondsToWake() + 1 });
      if (request === null) return null;
      if (request.message === undefined) throw new CallRefused(['MALFORMED_MESSAGE'], 'message');
      return request.message;
    } catch (error) {
      const waitedOnly = error instanceof CallRefused && error.reasons[0] === 'DEADLINE_PASSED';
      if (waitedOnly && stream.ended === null && !stream.stopped) return 'nothing came';
      throw error;
    }
  }

  #millisecondsToWake(): number {
    const { sessions } = this.#policy;
    const end = this.#state.millisecondsToEnd(sessions);
    const held = this.#held === null ? end : this.#state.millisecondsToReport();
    const attest = this.#attestAgainTold ? end : this.#millisecondsToAttest(sessions.attestAgainSeconds);
    return Math.min(end, held, attest);
  }

  #millisecondsToAttest(aheadSeconds: number): number {
    return Math.max(0, this.#on.bearer.validUntil.getTime() - aheadSeconds * 1000 - this.#now.getTime());
  }

  async #lookAtTheClock(): Promise<void> {
    const { sessions } = this.#policy;
    if (this.#held !== null && this.#state.isOverdue) await this.#refuseHeld(refuse('REPORT_OVERDUE'));
    if (this.#state.isSilent(sessions)) throw new CallRefused(['REPORT_OVERDUE']);
    if (!this.#attestAgainTold && this.#millisecondsToAttest(sessions.attestAgainSeconds) === 0) {
      this.#attestAgainTold = true;
      const { fullAttestationSeconds } = this.#policy;
      const { validUntil, session } = this.#on.bearer;
      const { attestedAt } = session;
      const policy = { fullAttestationSeconds, attestAgainSeconds: sessions.attestAgainSeconds };
      this.direct(attestAgain({ attestedAt, validUntil }, policy));
    }
  }

  async #report(message: SignedMessage): Promise<void> {
    const { sessions } = this.#policy;
    const report = orRefuse(decodePostureReport(orRefuse(signedFromWire(message, 'report'))));
    // A phone that answers after its session has ended by silence is told so, whatever timer fires first.
    if (this.#state.isSilent(sessions)) throw new CallRefused(['REPORT_OVERDUE']);
    const answered = orRefuse(this.#state.report(report));
    if (!this.#opened) await this.#open();
    if (answered === 'late') await this.#askNow();
    await this.#goOn();
    if (!this.#state.owesReport) await this.#ask(this.#state.askForReport(this.#policy.sessions));
  }

  async #open(): Promise<void> {
    this.#told = this.#on.parts.serviceKeys();
    const opened = { policyVersion: this.#policy.version, serviceKeys: this.#told.map(signedToWire) };
    await this.#send({ $case: 'opened', value: opened });
    this.#opened = true;
    this.#directives.open();
    await this.#keys.look();
    this.#adviseOnKeys();
    this.#announce();
  }

  async #begin(message: SignedMessage): Promise<void> {
    const request = orRefuse(decodeBeginTransaction(orRefuse(signedFromWire(message, 'begin_transaction'))));
    if (this.#held !== null) throw new CallRefused(['MESSAGE_OUT_OF_ORDER'], 'a transaction is begun already');
    this.#held = request;
    const beginning = this.#state.isBeginning(request);
    if (!beginning.ok) return this.#refuseHeld(beginning);
    await this.#goOn();
  }

  /** Goes on with the transaction that is begun, if one is: at once, or once a young report has come. */
  async #goOn(): Promise<void> {
    const request = this.#held;
    if (request === null) return;
    const { sessions } = this.#policy;
    if (this.#state.needsReport(sessions) && !this.#state.isOverdue) {
      return this.#askNow();
    }
    this.#held = null;
    this.#tellBegin(request);
    const granted = await this.#appraise(request);
    if (!granted.ok) return this.#sendRefused(request, granted);
    await this.#tellServiceKeys();
    await this.#send({ $case: 'grant', value: signedToWire(granted.value.signed) });
    this.#state.grantOpen(granted.value.grant.expiresAt);
    await this.#askSooner();
    await this.#keys.began(request.pinKsn);
    this.#adviseOnKeys();
  }

  #tellBegin({ terms }: TransactionRequest): void {
    const { parts, bearer } = this.#on;
    parts.onBegin?.(bearer.subject, (policy) => {
      const mayBegin = this.#state.mayBegin(policy.sessions);
      return mayBegin.ok ? appraiseGrant(terms, bearer.session, policy, this.#now) : mayBegin;
    });
  }

  /** Posture, then the token and all that stands behind it as of now, then terms and counters: one after the other. */
  async #appraise(request: TransactionRequest): Promise<Result<StoredGrant>> {
    const { parts, deviceToken } = this.#on;
    const policy = this.#policy;
    const mayBegin = this.#state.mayBegin(policy.sessions);
    if (!mayBegin.ok) return mayBegin;
    const bearer = await bearerOf(deviceToken, parts.bearer);
    if (!bearer.ok) return bearer;
    const { session, subject } = bearer.value;
    const { kills } = parts.bearer;
    const pinAllowed = policy.pinAllowed && kills.reasonAgainst(subject, 'pin') === null;
    return kills.within(subject, 'any', () => issueGrant(session, request, { ...policy, pinAllowed }, parts.ports));
  }

  async #refuseHeld(refusal: Refusal): Promise<void> {
    const request = this.#held;
    this.#held = null;
    if (request !== null) await this.#sendRefused(request, refusal);
  }

  async #sendRefused({ terms: { order } }: TransactionRequest, { reason }: Refusal): Promise<void> {
    this.#on.context.refused([reason]);
    await this.#send({ $case: 'transactionRefused', value: { order, refusal: refusalMessage('phone', [reason]) } });
  }

  /** Keys that came while the session was open: a grant may be signed by one of them. */
  async #tellServiceKeys(): Promise<void> {
    const keys = this.#on.parts.serviceKeys();
    if (this.#told === keys) return;
    this.#told = keys;
    await this.#send({ $case: 'serviceKeys', value: { serviceKeys: keys.map(signedToWire) } });
  }

  #adviseOnKeys(): void {
    const { maximumTransactions, sessions } = this.#policy;
    const { rotateKeysAtFraction } = sessions;
    const limits = { maximumTransactions, rotateKeysAtFraction, bdkIds: this.#on.parts.bdkIds() };
    const directive = this.#keys.take(limits, this.#now);
    if (directive !== null) this.direct(directive);
  }

  /** Puts what is announced into the queue; it leaves once the session is open. */
  #announce(): void {
    for (const directive of this.#on.parts.advice(this.#on.bearer.subject)) this.#directives.put(directive);
    void this.#directives.flush();
  }

  /** Asks for a report where the pace of now is faster than that of the report that is out. */
  async #askSooner(): Promise<void> {
    const due = this.#state.askSooner(this.#policy.sessions);
    if (due !== null) await this.#ask(due);
  }

  /** Asks for a report as soon as may be, since something waits for it. */
  async #askNow(): Promise<void> {
    const due = this.#state.askNow(this.#policy.sessions);
    if (due !== null) await this.#ask(due);
  }

  async #ask(due: ReportDue): Promise<void> {
    await this.#send({ $case: 'reportDue', value: due });
  }

  async #send(message: OpenResponse['message']): Promise<void> {
    await this.#on.stream.send({ message });
  }
}
