import { type OpenRequest, type OpenResponse, SessionServiceService } from '../../gen/tapgate/v1/session_service.ts';
import type { CallContext } from '../transport/context.ts';
import type { Conversation } from '../transport/exchange.ts';
import { CallRefused, orRefuse } from '../transport/refused.ts';
import { conversation, service } from '../transport/service.ts';
import { bearerOf } from './bearer.ts';
import { PhoneSession, type SessionServiceParts, sessionBearer } from './phone-session.ts';

const OPEN_WITHIN = 10_000;

/** A session is opened anew once a day at the latest, and its messages are bounded by that. */
const LIMITS = { maximumMessages: 200_000, maximumLifetimeMilliseconds: 86_400_000 };

/** Its messages are put into bytes once where one goes to many phones one after the other, as a kill switch's does. */
const DEFINITION = {
  ...SessionServiceService,
  open: { ...SessionServiceService.open, responseSerialize: onceForAll(SessionServiceService.open.responseSerialize) },
};

function onceForAll(serialize: (message: OpenResponse) => Buffer): (message: OpenResponse) => Buffer {
  let latest: { readonly message: OpenResponse; readonly bytes: Buffer } | null = null;
  return (message) => {
    if (latest?.message !== message) latest = { message, bytes: serialize(message) };
    return latest.bytes;
  };
}

/** SessionService: posture reports up, directives and grants down, for as long as the phone keeps reporting. */
export function sessionService(parts: SessionServiceParts) {
  return service(DEFINITION, {
    open: conversation((stream, context) => open(stream, context, parts), LIMITS),
  });
}

async function open(
  stream: Conversation<OpenRequest, OpenResponse>,
  context: CallContext,
  parts: SessionServiceParts,
): Promise<void> {
  const { session, leave } = await enter(stream, context, parts);
  try {
    // A switch that came before the session was known here has not ended it.
    const killed = parts.bearer.kills.reasonAgainst(session.subject, 'any');
    if (killed !== null) throw new CallRefused([killed]);
    await session.run();
  } finally {
    leave();
  }
}

/** In a function of its own, so that an open session does not hold what was only needed until it was entered. */
async function enter(
  stream: Conversation<OpenRequest, OpenResponse>,
  context: CallContext,
  parts: SessionServiceParts,
): Promise<{ readonly session: PhoneSession; readonly leave: () => void }> {
  const first = (await stream.next({ withinMilliseconds: OPEN_WITHIN }))?.message;
  if (first?.$case !== 'open') throw new CallRefused(['MESSAGE_OUT_OF_ORDER'], 'open is due');
  const { deviceToken } = first.value;
  const bearer = orRefuse(await bearerOf(deviceToken, parts.bearer));
  const session = new PhoneSession({ stream, context, parts, deviceToken, bearer: sessionBearer(bearer) });
  const leave = await parts.arrivals.enter(session.subject, session, bearer.issuedAt);
  return { session, leave };
}
