import { spawnSync } from 'node:child_process';

/** One line of `openssl asn1parse`. */
export interface Asn1Line {
  readonly offset: number;
  readonly depth: number;
  /** Header and content lengths in bytes. */
  readonly header: number;
  readonly length: number;
  /** For example `INTEGER` or `cont [ 704 ]`. */
  readonly tag: string;
  readonly value: string;
}

/** True where OpenSSL's command is installed. */
export const opensslPresent = spawnSync('openssl', ['version']).status === 0;

/** Reads DER with OpenSSL's own parser. */
export function asn1parse(der: Uint8Array): Asn1Line[] {
  const { status, stdout, stderr } = spawnSync('openssl', ['asn1parse', '-inform', 'DER'], { input: der });
  if (status !== 0) throw new Error(`openssl asn1parse: ${stderr.toString()}`);
  return stdout
    .toString()
    .trim()
    .split('\n')
    .map((line) => {
      const match = /^\s*(\d+):d=(\d+)\s+hl=(\d+)\s+l=\s*(\d+)\s+(?:prim|cons): (.+?)\s*(?::(.*))?$/.exec(line);
      if (match === null) throw new Error(`not a line of asn1parse: ${line}`);
      const [, offset, depth, header, length, tag, value = ''] = match;
      return {
        offset: Number(offset),
        depth: Number(depth),
        header: Number(header),
        length: Number(length),
        tag: tag!.replace('[HEX DUMP]', '').trim(),
        value,
      };
    });
}

/** The DER inside the OCTET STRING of a certificate's extension, found by OpenSSL; null where there is none. */
export function extensionOf(certificate: Uint8Array, oid: string): Buffer | null {
  const lines = asn1parse(certificate);
  const at = lines.findIndex((line) => line.tag === 'OBJECT' && line.value === oid);
  if (at < 0) return null;
  const octets = lines.slice(at).find((line) => line.tag === 'OCTET STRING');
  return octets === undefined ? null : Buffer.from(octets.value, 'hex');
}
