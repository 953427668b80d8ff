/** A value that has no place outside the vault, the phone and the acquirer's own processing. */
export interface Secret {
  readonly name: string;
  readonly bytes: Buffer;
}

/** One way in which a secret may be written down. */
export interface Form {
  readonly secret: string;
  /** `bytes`, `hex`, `base64`, … */
  readonly form: string;
  readonly needle: Buffer;
}

/** What is shorter may be met by chance in hundreds of megabytes. */
const SHORTEST_NEEDLE = 6;
const SHORTEST_BASE64 = 8;

/** Every form of a secret: bytes in both orders, and hexadecimal, base64 and lists of numbers as ASCII and as UTF-16. */
export function formsOf({ name, bytes }: Secret): Form[] {
  // Of two forms that are the same text, the later one names it.
  const texts = new Map<string, string>([
    [bytes.toString('hex').toUpperCase(), 'upper-case hex'],
    [bytes.toString('hex'), 'hex'],
    [bytes.join(','), 'numbers'],
    ...([0, 1, 2] as const).flatMap((offset) =>
      (['base64url', 'base64'] as const).map((coding): [string, string] => [
        base64At(bytes, offset, coding),
        `${coding} at ${offset}`,
      ]),
    ),
  ]);
  const written = [...texts].flatMap(([text, form]): Form[] => [
    { secret: name, form, needle: Buffer.from(text, 'latin1') },
    { secret: name, form: `${form} in UTF-16`, needle: Buffer.from(text, 'utf16le') },
  ]);
  return [
    { secret: name, form: 'bytes', needle: bytes },
    // OpenSSL keeps numbers, private keys among them, with the least significant limb first.
    { secret: name, form: 'bytes in reverse', needle: Buffer.from(bytes.toReversed()) },
    ...written,
  ].filter(({ form, needle }) => needle.length >= (form.startsWith('base64') ? SHORTEST_BASE64 : SHORTEST_NEEDLE));
}

/** The characters of base64 that the secret alone decides, where it begins `offset` bytes after a group of three. */
function base64At(bytes: Buffer, offset: 0 | 1 | 2, coding: 'base64' | 'base64url'): string {
  const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString(coding);
  return text.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
}
