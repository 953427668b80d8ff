import type { Post, PostFailure } from '../../attestation/play-integrity/standard-decoder.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { type Answer, exchange } from '../exchange.ts';

async function readWithin({ body }: Answer, maximumBytes: number): Promise<Buffer | null> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of body) {
    length += piece.length;
    if (length > maximumBytes) return null;
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** POST over the network, for the decoder of standard integrity tokens. */
export const networkPost: Post = async ({
  maximumBytes,
  ...request
}): Promise<Result<{ status: number; body: Buffer }, PostFailure>> => {
  const answer = await exchange({ method: 'POST', ...request }, async (received) => ({
    status: received.status,
    body: await readWithin(received, maximumBytes),
  }));
  if (!answer.ok) {
    return refuse(answer.reason === 'DEADLINE_PASSED' ? 'DEADLINE_PASSED' : 'UNREACHABLE', answer.detail);
  }
  const { status, body } = answer.value;
  return body === null ? refuse('ANSWER_TOO_LARGE') : ok({ status, body });
};
