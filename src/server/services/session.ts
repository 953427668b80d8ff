import type { SignedBytes } from '../../encoding/signed.ts';
import { type OpenRequest, type OpenResponse, SessionServiceService } from '../../gen/tapgate/v1/session_service.ts';
import type { SignedMessage } from '../../gen/tapgate/v1/signed.ts';
import type { Refusal } from '../../reasons/result.ts';
import type { Arrivals } from '../../sessions/arrivals.ts';
import { type GrantPolicy, type GrantPorts, issueGrant } from '../../sessions/grant.ts';
import { OpenSession, type ReportDue } from '../../sessions/open-session.ts';
import type { EndSession } from '../../sessions/presence.ts';
import { decodePostureReport } from '../../wire/posture.ts';
import { refusalMessage } from '../../wire/refusal.ts';
import { decodeBeginTransaction } from '../../wire/session.ts';
import { signedFromWire, signedToWire } from '../../wire/signed.ts';
import type { CallContext } from '../transport/context.ts';
import type { Conversation } from '../transport/exchange.ts';
import { CallRefused, orRefuse } from '../transport/refused.ts';
import { conversation, service } from '../transport/service.ts';
import { type BearerPorts, bearerOf } from './bearer.ts';

const OPEN_WITHIN = 10_000;

/** A session is opened anew once a day at the latest, and its messages are bounded by that. */
const LIMITS = { maximumMessages: 200_000, maximumLifetimeMilliseconds: 86_400_000 };

/** What the session service is made of. */
export interface SessionServiceParts {
  readonly ports: GrantPorts;
  readonly bearer: BearerPorts;
  readonly arrivals: Pick<Arrivals, 'enter'>;
  readonly policy: () => GrantPolicy;
  /** Service keys as the anchor endorses them; another array once they have changed. */
  readonly serviceKeys: () => readonly SignedBytes[];
}

type Stream = Conversation<OpenRequest, OpenResponse>;

/** SessionService: posture reports up, grants down, for as long as the phone keeps reporting. */
export function sessionService(parts: SessionServiceParts) {
  return service(SessionServiceService, {
    open: conversation((stream, context) => open(stream, context, parts), LIMITS),
  });
}

async function open(stream: Stream, context: CallContext, parts: SessionServiceParts): Promise<void> {
  const { ports, bearer, arrivals, policy, serviceKeys } = parts;
  const first = (await stream.next({ withinMilliseconds: OPEN_WITHIN }))?.message;
  if (first?.$case !== 'open') throw new CallRefused(['MESSAGE_OUT_OF_ORDER'], 'open is due');
  const { session, key, issuedAt, validUntil } = orRefuse(await bearerOf(first.value.deviceToken, bearer));
  const state = new OpenSession(session, key, validUntil, ports.clock, ports.random);
  const end: EndSession = (reason, because = []) => stream.refuse([reason, ...because]);
  const leave = await arrivals.enter(session.deviceId, end, issuedAt);
  try {
    await sendReportDue(stream, state.askForReport(policy().sessions));
    let opened = false;
    let told: readonly SignedBytes[] = [];
    for (;;) {
      const message = await nextInTime(stream, state);
      if (message === null) return;
      if (message.$case === 'report') {
        orRefuse(state.report(orRefuse(decodePostureReport(orRefuse(signedFromWire(message.value, 'report'))))));
        if (!opened) {
          told = serviceKeys();
          await sendOpened(stream, policy().version, told);
        }
        opened = true;
        await sendReportDue(stream, state.askForReport(policy().sessions));
      } else if (message.$case === 'beginTransaction' && opened) {
        if (told !== serviceKeys()) {
          told = serviceKeys();
          await sendServiceKeys(stream, told);
        }
        await begin(stream, context, state, message.value, parts);
      } else throw new CallRefused(['MESSAGE_OUT_OF_ORDER'], `${message.$case} is not due`);
    }
  } finally {
    leave();
  }
}

/** The next message; silence beyond the report's due time ends the session. */
async function nextInTime(stream: Stream, state: OpenSession): Promise<NonNullable<OpenRequest['message']> | null> {
  try {
    const request = await stream.next({ withinMilliseconds: state.millisecondsToReport() + 1 });
    if (request === null) return null;
    if (request.message === undefined) throw new CallRefused(['MALFORMED_MESSAGE'], 'message');
    return request.message;
  } catch (error) {
    if (error instanceof CallRefused && error.reasons[0] === 'DEADLINE_PASSED')
      throw new CallRefused(['REPORT_OVERDUE']);
    throw error;
  }
}

async function begin(
  stream: Stream,
  context: CallContext,
  state: OpenSession,
  message: SignedMessage,
  { ports, policy }: SessionServiceParts,
): Promise<void> {
  const request = orRefuse(decodeBeginTransaction(orRefuse(signedFromWire(message, 'begin_transaction'))));
  const active = policy();
  const mayBegin = state.mayBegin(request.nonce, request.signed, active.sessions);
  const granted = mayBegin.ok ? await issueGrant(state.session, request, active, ports) : mayBegin;
  if (!granted.ok) {
    context.refused([granted.reason]);
    return sendRefused(stream, request.terms.order, granted);
  }
  state.grantOpen(granted.value.grant.expiresAt);
  await stream.send({ message: { $case: 'grant', value: signedToWire(granted.value.signed) } });
}

function sendRefused(stream: Stream, order: string, { reason }: Refusal): Promise<void> {
  const refusal = refusalMessage('phone', [reason]);
  return stream.send({ message: { $case: 'transactionRefused', value: { order, refusal } } });
}

function sendOpened(stream: Stream, policyVersion: string, keys: readonly SignedBytes[]): Promise<void> {
  return stream.send({ message: { $case: 'opened', value: { policyVersion, serviceKeys: keys.map(signedToWire) } } });
}

/** Keys that came while the session was open: a grant may be signed by one of them. */
function sendServiceKeys(stream: Stream, keys: readonly SignedBytes[]): Promise<void> {
  return stream.send({ message: { $case: 'serviceKeys', value: { serviceKeys: keys.map(signedToWire) } } });
}

function sendReportDue(stream: Stream, due: ReportDue): Promise<void> {
  return stream.send({ message: { $case: 'reportDue', value: due } });
}
