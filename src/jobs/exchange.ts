import { ok, type Result, refuse } from '../reasons/result.ts';

/** Why an HTTP exchange came to nothing. */
export type ExchangeFailure =
  /** No connection, or none that TLS accepts. */
  | 'UNREACHABLE'
  /** The connection ended within the answer, or the answer is not HTTP. */
  | 'ANSWER_CUT'
  | 'DEADLINE_PASSED'
  /** The caller gave it up. */
  | 'STOPPED';

/** One HTTP request, and its bounds. */
export interface ExchangeRequest {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** For everything, from the first packet to the last byte that is read. */
  readonly deadlineMilliseconds: number;
  readonly signal?: AbortSignal;
}

/** An answer whose body has not been read yet. */
export interface Answer {
  readonly status: number;
  header(name: string): string | null;
  /** Decompressed, in pieces; who stops reading ends the transfer. */
  readonly body: AsyncIterable<Uint8Array>;
}

async function* nothing(): AsyncIterable<Uint8Array> {}

/**
 * One HTTP exchange under a deadline. `read` takes what it wants of the answer; what it leaves is not transferred.
 * Redirections are not followed: they are answers like any other.
 */
export async function exchange<T>(
  { method, url, headers, body, deadlineMilliseconds, signal }: ExchangeRequest,
  read: (answer: Answer) => Promise<T>,
): Promise<Result<T, ExchangeFailure>> {
  const deadline = AbortSignal.timeout(deadlineMilliseconds);
  const signals = signal === undefined ? [deadline] : [deadline, signal];
  let answered = false;
  try {
    const response = await fetch(url, {
      method,
      headers,
      redirect: 'manual',
      signal: AbortSignal.any(signals),
      ...(body === undefined ? {} : { body }),
    });
    answered = true;
    try {
      const header = (name: string): string | null => response.headers.get(name);
      return ok(await read({ status: response.status, header, body: response.body ?? nothing() }));
    } finally {
      if (response.body !== null && !response.body.locked) await response.body.cancel();
    }
  } catch (error) {
    if (signal?.aborted) return refuse('STOPPED');
    if (deadline.aborted) return refuse('DEADLINE_PASSED');
    return refuse(answered ? 'ANSWER_CUT' : 'UNREACHABLE', causeOf(error));
  }
}

/** The code under an error of `fetch` (ECONNREFUSED, CERT_HAS_EXPIRED); its message may hold what was sent. */
function causeOf(error: unknown): string {
  const cause = typeof error === 'object' && error !== null && 'cause' in error ? error.cause : error;
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined;
  return typeof code === 'string' ? code : 'no code';
}
