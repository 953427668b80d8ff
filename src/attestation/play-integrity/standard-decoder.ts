import { type Result, refuse } from '../../reasons/result.ts';
import { type IntegrityDecoder, type IntegrityFailure, MAXIMUM_TOKEN_LENGTH } from './decoder.ts';
import { type IntegrityVerdict, integrityVerdictOf, VERDICT_LIMITS } from './verdict.ts';

/** One HTTP POST, and its bounds. */
export interface PostRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The whole answer is there by then, or there is none. */
  readonly deadlineMilliseconds: number;
  /** A longer answer is not read to its end. */
  readonly maximumBytes: number;
}

/** Why there is no answer. */
export type PostFailure = 'UNREACHABLE' | 'DEADLINE_PASSED' | 'ANSWER_TOO_LARGE';

/** Sends a POST over TLS and answers whatever status there is; redirections are not followed. */
export type Post = (
  request: PostRequest,
) => Promise<Result<{ readonly status: number; readonly body: Uint8Array }, PostFailure>>;

/**
 * An OAuth 2.0 access token with the scope `https://www.googleapis.com/auth/playintegrity`. Never logged. `refused`: one
 * that the server did not take, which is not given again.
 */
export type AccessTokenSource = (refused?: string) => Promise<Result<string, 'ACCESS_TOKEN_UNAVAILABLE'>>;

/** What a decoder of standard tokens stands on. */
export interface StandardDecoderPorts {
  readonly post: Post;
  readonly accessToken: AccessTokenSource;
  /** The application that the tokens are of. */
  readonly packageName: string;
  /** For one exchange with the server; a token takes two where the access token turns out to be void. */
  readonly deadlineMilliseconds: number;
  /** `https://playintegrity.googleapis.com` by default. */
  readonly origin?: string;
}

const ORIGIN = 'https://playintegrity.googleapis.com';
/** The verdict within its envelope. */
const MAXIMUM_ANSWER = VERDICT_LIMITS.maximumBytes + 1024;
/** Tokens are opaque; they are text without white space. */
const OPAQUE_TOKEN = /^[\x21-\x7e]+$/;

type Failure = IntegrityFailure;

function unavailable(detail: string): Result<never, Failure> {
  return refuse('DECODER_UNAVAILABLE', detail);
}

/**
 * The verdict of an answer `{"tokenPayloadExternal": {...}}`. An answer that is not of that form is a page of something
 * in between: it says nothing about the token.
 */
function verdictOfAnswer(body: Uint8Array): Result<IntegrityVerdict, Failure> {
  let answer: unknown;
  try {
    answer = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return unavailable('the answer is not JSON');
  }
  if (typeof answer !== 'object' || answer === null || !Object.hasOwn(answer, 'tokenPayloadExternal')) {
    return unavailable('the answer holds no payload');
  }
  return integrityVerdictOf((answer as { readonly tokenPayloadExternal: unknown }).tokenPayloadExternal);
}

function ask(token: string, accessToken: string, ports: StandardDecoderPorts): ReturnType<Post> {
  return ports.post({
    url: `${ports.origin ?? ORIGIN}/v1/${encodeURIComponent(ports.packageName)}:decodeIntegrityToken`,
    headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ integrityToken: token }),
    deadlineMilliseconds: ports.deadlineMilliseconds,
    maximumBytes: MAXIMUM_ANSWER,
  });
}

const isUnauthorized = (answer: Awaited<ReturnType<Post>>): boolean => answer.ok && answer.value.status === 401;

async function decodeByGoogle(token: string, ports: StandardDecoderPorts): Promise<Result<IntegrityVerdict, Failure>> {
  const accessToken = await ports.accessToken();
  if (!accessToken.ok) return unavailable('no access token');
  let answer = await ask(token, accessToken.value, ports);
  if (isUnauthorized(answer)) {
    // Access tokens can be withdrawn before their time; a second one that is refused is not about its age.
    const another = await ports.accessToken(accessToken.value);
    if (another.ok) answer = await ask(token, another.value, ports);
  }
  if (!answer.ok) return unavailable(answer.reason);
  const { status, body } = answer.value;
  if (body.length > MAXIMUM_ANSWER) return unavailable('ANSWER_TOO_LARGE');
  // 400 is about the token; 401, 403, 404 and 429 are about this installation.
  if (status === 400) return refuse('TOKEN_REFUSED', 'status 400');
  return status === 200 ? verdictOfAnswer(body) : unavailable(`status ${status}`);
}

/**
 * A decoder of standard tokens: Google's server decodes them (`v1/{package}:decodeIntegrityToken`). What is not an
 * answer about the token is DECODER_UNAVAILABLE, never a denial.
 */
export function createStandardDecoder(ports: StandardDecoderPorts): IntegrityDecoder {
  return {
    decode: async (token) => {
      if (token.length > MAXIMUM_TOKEN_LENGTH) return refuse('TOKEN_TOO_LARGE', `${token.length} characters`);
      if (!OPAQUE_TOKEN.test(token)) return refuse('TOKEN_MALFORMED', 'not printable text');
      try {
        return await decodeByGoogle(token, ports);
      } catch {
        // A port that failed in a way of its own; its message may hold credentials.
        return unavailable('the exchange failed');
      }
    },
  };
}
