import { ok, type Result, refuse } from '../reasons/result.ts';

/** Why a text is not the PEM that was expected. */
export type PemFailure = 'PEM_TOO_LARGE' | 'PEM_MALFORMED' | 'PEM_EMPTY';

/** PEM of DER bytes: label, and base64 in lines of 64 characters (RFC 7468). */
export function encodePem(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64');
  let text = `-----BEGIN ${label}-----\n`;
  for (let start = 0; start < base64.length; start += 64) text += `${base64.slice(start, start + 64)}\n`;
  return `${text}-----END ${label}-----\n`;
}

/**
 * The DER of every block with this label, in their order; text around the blocks is passed over (RFC 7468 2). Refuses a
 * text with none, one over `maximumCharacters`, and a block without its end or whose body is not base64.
 */
export function decodePem(text: string, label: string, maximumCharacters: number): Result<Buffer[], PemFailure> {
  if (text.length > maximumCharacters) return refuse('PEM_TOO_LARGE');
  const [, ...blocks] = text.split(`-----BEGIN ${label}-----`);
  if (blocks.length === 0) return refuse('PEM_EMPTY');
  const decoded: Buffer[] = [];
  for (const block of blocks) {
    const end = block.indexOf(`-----END ${label}-----`);
    const body = end < 0 ? '' : block.slice(0, end).replace(/\s+/g, '');
    if (body === '' || body.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(body)) return refuse('PEM_MALFORMED');
    decoded.push(Buffer.from(body, 'base64'));
  }
  return ok(decoded);
}
