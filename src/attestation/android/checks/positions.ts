import type { Certificate } from '../certificate.ts';

/**
 * Names the positions, from `start` and before `end`, of the certificates that are as asked; null where there are none, as
 * is so of most phones, for which nothing is made.
 */
export function positionsWhere(
  certificates: readonly Certificate[],
  isSo: (certificate: Certificate, position: number) => boolean,
  start = 0,
  end = certificates.length,
): string | null {
  let named = '';
  for (let position = start; position < end; position += 1) {
    if (!isSo(certificates[position]!, position)) continue;
    named = named === '' ? `certificates ${position}` : `${named}, ${position}`;
  }
  return named === '' ? null : named;
}
