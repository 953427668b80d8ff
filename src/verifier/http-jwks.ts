import type { JwksSource } from './jwks.ts';
import { parseJwks } from './jwks.ts';

const MAXIMUM_BYTES = 65_536;
const WITHIN_MILLISECONDS = 5_000;
const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost']);

/**
 * The published keys by HTTP: `https://…/.well-known/jwks.json`. Plain HTTP is taken from this machine only, since whoever
 * can change the answer can make tokens. No redirects; at most 64 KiB and 5 seconds. Throws TypeError for another URL.
 */
export function httpJwks(url: string): JwksSource {
  const { protocol, hostname } = new URL(url);
  if (protocol !== 'https:' && !(protocol === 'http:' && LOOPBACK.has(hostname))) {
    throw new TypeError(`${url}: published keys are fetched by https only`);
  }
  return async () => {
    const signal = AbortSignal.timeout(WITHIN_MILLISECONDS);
    const response = await fetch(url, { redirect: 'error', signal, headers: { accept: 'application/json' } });
    if (response.status !== 200) throw new Error(`${url} answers ${response.status}`);
    const keys = parseJwks(await textOf(response, url));
    if (!keys.ok) throw new Error(`${url}: ${keys.detail ?? keys.reason}`);
    return keys.value;
  };
}

async function textOf(response: Response, url: string): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > MAXIMUM_BYTES) throw new Error(`${url} answers over ${MAXIMUM_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
