const HEX = /^(?:[0-9A-Fa-f]{2})*$/;

/** Bytes of hexadecimal text of either case, or undefined where it is not exactly that. */
export function bytesOfHex(text: string): Buffer | undefined {
  return HEX.test(text) ? Buffer.from(text, 'hex') : undefined;
}

/** Upper-case hexadecimal text, as the X9 standards print it. */
export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex').toUpperCase();
}
