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

/** The body ended before its end. */
class Interrupted extends Error {}

async function* piecesOf({ body }: Response): AsyncIterable<Uint8Array> {
  if (body === null) return;
  try {
    for await (const piece of body) yield piece;
  } catch (error) {
    throw new Interrupted('the body was interrupted', { cause: error });
  }
}

/**
 * One HTTP exchange under a deadline. `read` takes what it wants of the answer; what it leaves is not transferred.
 * Redirections are not followed: they are answers like any other. Rejects only with what `read` itself throws.
 */
export async function exchange<T>(
  { method, url, headers, body, deadlineMilliseconds, signal }: ExchangeRequest,
  read: (answer: Answer) => Promise<T>,
): Promise<Result<T, ExchangeFailure>> {
  const deadline = AbortSignal.timeout(deadlineMilliseconds);
  const signals = signal === undefined ? [deadline] : [deadline, signal];
  const failed = (error: unknown, otherwise: ExchangeFailure): Result<never, ExchangeFailure> => {
    if (signal?.aborted) return refuse('STOPPED');
    return deadline.aborted ? refuse('DEADLINE_PASSED') : refuse(otherwise, codeUnder(error));
  };
  let response: Response;
  try {
    const init = { method, headers, redirect: 'manual' as const, signal: AbortSignal.any(signals) };
    response = await fetch(url, body === undefined ? init : { ...init, body });
  } catch (error) {
    return failed(error, 'UNREACHABLE');
  }
  try {
    const header = (name: string): string | null => response.headers.get(name);
    return ok(await read({ status: response.status, header, body: piecesOf(response) }));
  } catch (error) {
    if (error instanceof Interrupted) return failed(error.cause, 'ANSWER_CUT');
    throw error;
  } finally {
    // A body that has been read, or has failed, has nothing to cancel.
    await response.body?.cancel().catch(() => {});
  }
}

/** The code under an error of `fetch` (ECONNREFUSED, CERT_HAS_EXPIRED); its message may hold what was sent. */
function codeUnder(error: unknown): string {
  const cause = typeof error === 'object' && error !== null && 'cause' in error ? error.cause : error;
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined;
  return typeof code === 'string' ? code : 'no code';
}
