import {
  type EnterRequest,
  type EnterResponse,
  type PinEntryBegin,
  PinEntryServiceService,
} from '../../gen/tapgate/v1/pin_entry_service.ts';
import { appraiseEntry, type PinAccepted, PinEntry, type PinEntryPorts, repeatPinBlock } from '../../pin/entry.ts';
import type { PinPolicy } from '../../pin/policy.ts';
import type { PolicySubject } from '../../policy/resolve.ts';
import type { Reason } from '../../reasons/catalogue.ts';
import { ok, type Result } from '../../reasons/result.ts';
import type { Directive } from '../../sessions/directive.ts';
import type { OpenCallHandle, Presence } from '../../sessions/presence.ts';
import { abortReason, decodePinBlock, decodePinEntryRequest } from '../../wire/pin.ts';
import { decodePostureReport } from '../../wire/posture.ts';
import { signedFromWire, signedToWire } from '../../wire/signed.ts';
import type { CallContext } from '../transport/context.ts';
import type { Conversation } from '../transport/exchange.ts';
import { CallRefused, orRefuse } from '../transport/refused.ts';
import { conversation, service } from '../transport/service.ts';
import { type Bearer, type BearerPorts, bearerOf, standingSession } from './bearer.ts';

const BEGIN_WITHIN = 10_000;
const LIMITS = { maximumMessages: 1024, maximumLifetimeMilliseconds: 600_000 };

/** What the PIN entry service is made of. */
export interface PinEntryServiceParts {
  readonly ports: Omit<PinEntryPorts, 'stillStands'>;
  readonly bearer: BearerPorts;
  /** The policy that holds for a phone, asked for anew each time. */
  readonly policy: (subject: PolicySubject) => PinPolicy;
  /** Told how each beginning is judged, for candidates of policy. */
  readonly onBegin?: (subject: PolicySubject, judge: (policy: PinPolicy) => Result<null>) => void;
  /** The PIN entries that are open here. */
  readonly open: Pick<Presence, 'enter'>;
}

type Stream = Conversation<EnterRequest, EnterResponse>;

/** PinEntryService: begin -> PIN grant -> reports while the pad shows -> PIN block -> accepted. */
export function pinEntryService(parts: PinEntryServiceParts) {
  return service(PinEntryServiceService, {
    enter: conversation((stream, context) => enter(stream, context, parts), LIMITS),
  });
}

async function enter(stream: Stream, context: CallContext, parts: PinEntryServiceParts): Promise<void> {
  const first = (await stream.next({ withinMilliseconds: BEGIN_WITHIN }))?.message;
  if (first?.$case !== 'begin') throw new CallRefused(['MESSAGE_OUT_OF_ORDER'], 'begin is due');
  const bearer = orRefuse(await bearerOf(first.value.deviceToken, parts.bearer));
  const accepted = await answerIntention(stream, context, first.value, bearer, parts);
  await stream.send({ message: { $case: 'accepted', value: { heldUntil: accepted.heldUntil } } });
}

async function answerIntention(
  stream: Stream,
  context: CallContext,
  { intention }: PinEntryBegin,
  bearer: Bearer,
  parts: PinEntryServiceParts,
): Promise<PinAccepted> {
  const { session, subject, key } = bearer;
  const { kills } = parts.bearer;
  const stillStands = () =>
    standingSession(session, parts.bearer).then((standing) => (standing.ok ? ok(null) : standing));
  const ports: PinEntryPorts = { ...parts.ports, stillStands };
  if (intention?.$case === 'repeat') {
    const pin = orRefuse(decodePinBlock(orRefuse(signedFromWire(intention.value, 'repeat'))));
    return orRefuse(await kills.within(subject, 'pin', () => repeatPinBlock(session, key, pin, ports)));
  }
  const request = orRefuse(decodePinEntryRequest(orRefuse(signedFromWire(intention?.value, 'request'))));
  parts.onBegin?.(subject, (policy) => appraiseEntry(request, policy));
  const entering = new Entering(stream);
  // Known from outside before anything is judged: what comes while the entry begins ends it too.
  const leave = parts.open.enter(subject, entering, bearer.issuedAt);
  try {
    const begin = () => PinEntry.begin(session, key, request, parts.policy(subject), ports);
    const { entry, pinGrant } = orRefuse(await kills.within(subject, 'pin', begin));
    entering.begun(entry);
    if (request.accessibleLayout) {
      const { grantId } = request;
      context.logger.warn({ device: session.deviceId, grant: grantId }, 'PIN entry on a keypad in its usual order');
    }
    await stream.send({ message: { $case: 'pinGrant', value: signedToWire(pinGrant) } });
    return await whilePadShows(stream, entry, (accept) => kills.within(subject, 'pin', accept));
  } finally {
    leave();
  }
}

/** A PIN entry as it is reached from outside. */
class Entering implements OpenCallHandle {
  readonly #stream: Stream;
  #entry: PinEntry | null = null;
  #ended = false;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  begun(entry: PinEntry): void {
    this.#entry = entry;
    if (this.#ended) entry.stop();
  }

  end(reason: Reason, because: readonly Reason[] = []): void {
    this.#ended = true;
    this.#entry?.stop();
    this.#stream.refuse([reason, ...because]);
  }

  /** Two directives concern a pad that shows: both take it away. */
  direct({ kind, reason }: Directive): void {
    if (kind === 'pin-off') this.end(reason ?? 'PIN_OFF');
    if (kind === 'suspend') this.end(reason ?? 'DEVICE_SUSPENDED');
  }
}

type Accepting = () => Promise<Result<PinAccepted>>;

async function whilePadShows(
  stream: Stream,
  entry: PinEntry,
  unlessKilled: (accept: Accepting) => Promise<Result<PinAccepted>>,
): Promise<PinAccepted> {
  for (;;) {
    const message = await nextInTime(stream, entry);
    switch (message?.$case) {
      case 'report': {
        const report = orRefuse(decodePostureReport(orRefuse(signedFromWire(message.value, 'report'))));
        const due = orRefuse(entry.report(report));
        await stream.send({ message: { $case: 'reportDue', value: due } });
        break;
      }
      case 'pinBlock': {
        const pin = orRefuse(decodePinBlock(orRefuse(signedFromWire(message.value, 'pin_block'))));
        return orRefuse(await unlessKilled(() => entry.accept(pin)));
      }
      case 'abort':
        throw new CallRefused([abortReason(message.value.cause)], 'by the phone');
      default:
        throw new CallRefused(['MESSAGE_OUT_OF_ORDER'], 'a report or the PIN block is due');
    }
  }
}

async function nextInTime(stream: Stream, entry: PinEntry): Promise<EnterRequest['message']> {
  try {
    return (await stream.next({ withinMilliseconds: entry.millisecondsToReport() + 1 }))?.message;
  } catch (error) {
    if (error instanceof CallRefused && error.reasons[0] === 'DEADLINE_PASSED') throw new CallRefused([entry.overdue]);
    throw error;
  }
}
