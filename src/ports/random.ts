/** Cryptographically secure randomness; tests inject a seeded one. */
export interface Random {
  bytes(length: number): Buffer;
}

/** A random UUID, version 4 (RFC 9562 §5.4), from the given source. */
export function randomUuid(random: Random): string {
  const bytes = random.bytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** True where the text has the form of a UUID; what has not never reaches the database. */
export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(text);
}

/** A random fraction in [0, 1), 32 bits fine: for jitter. */
export function randomFraction(random: Random): number {
  return random.bytes(4).readUInt32BE() / 2 ** 32;
}
