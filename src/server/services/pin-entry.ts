import {
  type EnterRequest,
  type EnterResponse,
  type PinEntryBegin,
  PinEntryServiceService,
} from '../../gen/tapgate/v1/pin_entry_service.ts';
import { type PinAccepted, PinEntry, type PinEntryPorts, repeatPinBlock } from '../../pin/entry.ts';
import type { PinPolicy } from '../../pin/policy.ts';
import { decodePinBlock, decodePinEntryRequest } from '../../wire/pin.ts';
import { decodePostureReport } from '../../wire/posture.ts';
import { signedFromWire, signedToWire } from '../../wire/signed.ts';
import type { Conversation } from '../transport/exchange.ts';
import { CallRefused, orRefuse } from '../transport/refused.ts';
import { conversation, service } from '../transport/service.ts';
import { type Bearer, type BearerPorts, bearerOf } from './bearer.ts';

const BEGIN_WITHIN = 10_000;
const LIMITS = { maximumMessages: 1024, maximumLifetimeMilliseconds: 600_000 };

/** What the PIN entry service is made of. */
export interface PinEntryServiceParts {
  readonly ports: PinEntryPorts;
  readonly bearer: BearerPorts;
  readonly policy: () => PinPolicy;
}

type Stream = Conversation<EnterRequest, EnterResponse>;

/** PinEntryService: begin -> PIN grant -> reports while the pad shows -> PIN block -> accepted. */
export function pinEntryService(parts: PinEntryServiceParts) {
  return service(PinEntryServiceService, { enter: conversation((stream) => enter(stream, parts), LIMITS) });
}

async function enter(stream: Stream, parts: PinEntryServiceParts): Promise<void> {
  const first = (await stream.next({ withinMilliseconds: BEGIN_WITHIN }))?.message;
  if (first?.$case !== 'begin') throw new CallRefused(['MESSAGE_OUT_OF_ORDER'], 'begin is due');
  const bearer = orRefuse(await bearerOf(first.value.deviceToken, parts.bearer));
  const accepted = await answerIntention(stream, first.value, bearer, parts);
  await stream.send({ message: { $case: 'accepted', value: { heldUntil: accepted.heldUntil } } });
}

async function answerIntention(
  stream: Stream,
  { intention }: PinEntryBegin,
  { session, key }: Bearer,
  { ports, policy }: PinEntryServiceParts,
): Promise<PinAccepted> {
  if (intention?.$case === 'repeat') {
    const pin = orRefuse(decodePinBlock(orRefuse(signedFromWire(intention.value, 'repeat'))));
    return orRefuse(await repeatPinBlock(session, key, pin, ports));
  }
  const request = orRefuse(decodePinEntryRequest(orRefuse(signedFromWire(intention?.value, 'request'))));
  const { entry, pinGrant } = orRefuse(await PinEntry.begin(session, key, request, policy(), ports));
  await stream.send({ message: { $case: 'pinGrant', value: signedToWire(pinGrant) } });
  return whilePadShows(stream, entry);
}

async function whilePadShows(stream: Stream, entry: PinEntry): Promise<PinAccepted> {
  for (;;) {
    const message = await nextInTime(stream, entry);
    switch (message?.$case) {
      case 'report': {
        const report = orRefuse(decodePostureReport(orRefuse(signedFromWire(message.value, 'report'))));
        const due = orRefuse(entry.report(report));
        await stream.send({ message: { $case: 'reportDue', value: due } });
        break;
      }
      case 'pinBlock':
        return orRefuse(
          await entry.accept(orRefuse(decodePinBlock(orRefuse(signedFromWire(message.value, 'pin_block'))))),
        );
      case 'abort':
        throw new CallRefused(['PIN_ABORTED'], `cause ${message.value.cause}`);
      default:
        throw new CallRefused(['MESSAGE_OUT_OF_ORDER'], 'a report or the PIN block is due');
    }
  }
}

async function nextInTime(stream: Stream, entry: PinEntry): Promise<EnterRequest['message']> {
  try {
    return (await stream.next({ withinMilliseconds: entry.millisecondsToReport() + 1 }))?.message;
  } catch (error) {
    if (error instanceof CallRefused && error.reasons[0] === 'DEADLINE_PASSED')
      throw new CallRefused(['REPORT_OVERDUE']);
    throw error;
  }
}
