/** r || s of ECDSA on P-256, as CKM_ECDSA gives it. */
export const SIGNATURE_BYTES = 64;
/** DER OCTET STRING around an uncompressed point of P-256. */
export const POINT_BYTES = 67;

const COORDINATE_BYTES = 32;
const RAW_POINT_BYTES = 1 + 2 * COORDINATE_BYTES;
const UNCOMPRESSED = 0x04;
const [INTEGER, OCTET_STRING, SEQUENCE] = [0x02, 0x04, 0x30];

/** The point of a CKA_EC_POINT, 65 bytes: a DER OCTET STRING (Cryptoki 2.40), or bare, as some tokens tell it. */
export function uncompressedPoint(told: Uint8Array): Buffer | null {
  const wrapped = told.length === POINT_BYTES && told[0] === OCTET_STRING && told[1] === RAW_POINT_BYTES;
  const point = Buffer.from(wrapped ? told.subarray(2) : told);
  return point.length === RAW_POINT_BYTES && point[0] === UNCOMPRESSED ? point : null;
}

/** An unsigned integer in DER: without leading zeros, with one where its first bit is set (X.690 8.3). */
function derInteger(bytes: Buffer): Buffer {
  let at = 0;
  while (at < bytes.length - 1 && bytes[at] === 0) at++;
  const significant = bytes.subarray(at);
  const padded = (significant[0] ?? 0) >= 0x80 ? [Buffer.alloc(1), significant] : [significant];
  const content = Buffer.concat(padded);
  return Buffer.concat([Buffer.of(INTEGER, content.length), content]);
}

/** r || s as ECDSA-Sig-Value (RFC 3279 2.2.3). */
export function derSignature(raw: Buffer): Buffer {
  const integers = [raw.subarray(0, COORDINATE_BYTES), raw.subarray(COORDINATE_BYTES)].map(derInteger);
  const content = Buffer.concat(integers);
  return Buffer.concat([Buffer.of(SEQUENCE, content.length), content]);
}
