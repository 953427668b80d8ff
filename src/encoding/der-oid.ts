/** Content bytes of an OBJECT IDENTIFIER (X.690 8.19) from its dotted form. Throws TypeError for what is not one. */
export function oidContent(dotted: string): Uint8Array {
  const arcs = dotted.split('.').map(Number);
  const [root, second, ...rest] = arcs;
  if (
    root === undefined ||
    second === undefined ||
    root > 2 ||
    !arcs.every((arc) => Number.isSafeInteger(arc) && arc >= 0)
  ) {
    throw new TypeError('not an object identifier');
  }
  const bytes: number[] = [];
  for (const arc of [root * 40 + second, ...rest]) {
    const digits = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) digits.unshift((left % 128) + 128);
    bytes.push(...digits);
  }
  return Uint8Array.from(bytes);
}

const MAXIMUM_OID_BYTES = 32;

/** Dotted form of an OBJECT IDENTIFIER's content bytes, for reports; `hex:…` where they are not a sensible one. */
export function dottedOid(content: Uint8Array): string {
  const arcs: number[] = [];
  let arc = 0;
  let open = content.length === 0 || content.length > MAXIMUM_OID_BYTES;
  for (const byte of content.subarray(0, MAXIMUM_OID_BYTES)) {
    arc = arc * 128 + (byte & 0x7f);
    if (arc > Number.MAX_SAFE_INTEGER) break;
    open = byte >= 0x80 || content.length > MAXIMUM_OID_BYTES;
    if (byte >= 0x80) continue;
    arcs.push(arc);
    arc = 0;
  }
  const first = arcs[0];
  if (open || first === undefined || arc !== 0) {
    return `hex:${Buffer.from(content.subarray(0, MAXIMUM_OID_BYTES)).toString('hex')}`;
  }
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - root * 40, ...arcs.slice(1)].join('.');
}
