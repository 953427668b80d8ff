/** The forms in which a secret could show: as it is, hexadecimal of either case, base64 and base64url at any alignment. */
export function formsOf(name: string, secret: Buffer): Map<string, Buffer> {
  const forms = new Map<string, Buffer>([[`${name}, raw`, secret]]);
  const hex = secret.toString('hex');
  forms.set(`${name}, hex`, Buffer.from(hex));
  forms.set(`${name}, HEX`, Buffer.from(hex.toUpperCase()));
  for (const offset of [0, 1, 2]) {
    for (const encoding of ['base64', 'base64url'] as const) {
      const text = Buffer.concat([Buffer.alloc(offset), secret])
        .toString(encoding)
        .replaceAll('=', '');
      // The first and the last characters also carry bits of their neighbours.
      forms.set(`${name}, ${encoding} at ${offset}`, Buffer.from(text.slice(offset === 0 ? 0 : offset + 1, -1)));
    }
  }
  return forms;
}

/** Names of the forms that the bytes contain. */
export function tracesIn(bytes: Buffer, forms: ReadonlyMap<string, Buffer>): string[] {
  return [...forms].filter(([, form]) => bytes.includes(form)).map(([name]) => name);
}
