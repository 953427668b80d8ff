import { SignJWT } from 'jose';
import { z } from 'zod';
import type { AccessTokenSource, Post } from '../../attestation/play-integrity/standard-decoder.ts';
import { type Clock, secondsAfter } from '../../ports/clock.ts';
import type { ServiceAccount } from './service-account.ts';

/** Google's token endpoint. */
export const GOOGLE_TOKEN_ENDPOINT = 'https://oauth2.googleapis.com/token';

/** What a source of access tokens stands on. */
export interface AccessTokenPorts {
  readonly post: Post;
  readonly clock: Clock;
  readonly account: ServiceAccount;
  /** The authorization server's token endpoint, and so the audience of the assertions. */
  readonly endpoint: string;
  /** For one fetch. */
  readonly deadlineMilliseconds: number;
}

const SCOPE = 'https://www.googleapis.com/auth/playintegrity';
const GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const ASSERTION_SECONDS = 300;
/** A token is not used in its last minute: it has to live until its request has been answered. */
const MARGIN_SECONDS = 60;
/** Between one fetch and the next that a failure, or a token refused at once, asks for. */
const PAUSE_SECONDS = 5;
const MAXIMUM_ANSWER = 16_384;

const answerSchema = z.looseObject({
  access_token: z
    .string()
    .max(4096)
    // RFC 6750 2.1; it goes into a header.
    .regex(/^[A-Za-z0-9._~+/-]+=*$/),
  token_type: z.string().regex(/^bearer$/i),
  expires_in: z
    .int()
    .min(2 * MARGIN_SECONDS)
    .max(86_400),
});

interface AccessToken {
  readonly text: string;
  readonly usableUntil: Date;
}

type Fetched = Awaited<ReturnType<AccessTokenSource>>;

const UNAVAILABLE = { ok: false, reason: 'ACCESS_TOKEN_UNAVAILABLE' } as const;

/** The signed claim to be the account (RFC 7523 3), for this endpoint and a few minutes. */
function assertionOf({ account, endpoint }: AccessTokenPorts, now: Date): Promise<string> {
  return new SignJWT({ scope: SCOPE })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: account.keyId })
    .setIssuer(account.email)
    .setAudience(endpoint)
    .setIssuedAt(now)
    .setExpirationTime(secondsAfter(now, ASSERTION_SECONDS))
    .sign(account.key);
}

function parseAnswer(body: Uint8Array, asked: Date): AccessToken | null {
  let answer: unknown;
  try {
    answer = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    // A page of something in between; the message would quote it.
    return null;
  }
  const parsed = answerSchema.safeParse(answer);
  if (!parsed.success) return null;
  const { access_token: text, expires_in: seconds } = parsed.data;
  return { text, usableUntil: secondsAfter(asked, seconds - MARGIN_SECONDS) };
}

async function fetchToken(ports: AccessTokenPorts, now: Date): Promise<AccessToken | null> {
  try {
    const assertion = await assertionOf(ports, now);
    const answer = await ports.post({
      url: ports.endpoint,
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
      body: new URLSearchParams({ grant_type: GRANT_TYPE, assertion }).toString(),
      deadlineMilliseconds: ports.deadlineMilliseconds,
      maximumBytes: MAXIMUM_ANSWER,
    });
    return answer.ok && answer.value.status === 200 ? parseAnswer(answer.value.body, now) : null;
  } catch {
    // A port that failed in a way of its own; its message may hold the assertion.
    return null;
  }
}

/**
 * Access tokens of a service account by the JWT bearer grant (RFC 7523 2.1). A token is kept until a minute before it
 * expires; whoever asks meanwhile, or while one is fetched, gets the same. After a failure nothing is fetched for five
 * seconds, and neither for a token that is refused within five seconds of its issue: another would be refused too.
 */
export function createAccessTokenSource(ports: AccessTokenPorts): AccessTokenSource {
  let kept: AccessToken | null = null;
  let pending: Promise<Fetched> | null = null;
  let fetchedAt: Date | null = null;

  const fetchAndKeep = async (now: Date): Promise<Fetched> => {
    fetchedAt = now;
    kept = await fetchToken(ports, now);
    return kept === null ? UNAVAILABLE : { ok: true, value: kept.text };
  };

  return async (refused) => {
    if (pending !== null) return pending;
    const now = ports.clock.now();
    if (kept !== null && now < kept.usableUntil && kept.text !== refused) return { ok: true, value: kept.text };
    // A clock that was set back pauses nothing.
    if (fetchedAt !== null && now >= fetchedAt && now < secondsAfter(fetchedAt, PAUSE_SECONDS)) return UNAVAILABLE;
    pending = fetchAndKeep(now).finally(() => {
      pending = null;
    });
    return pending;
  };
}
