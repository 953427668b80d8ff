/** True where the text has the form of an RFC 7638 thumbprint by SHA-256. */
export function isThumbprint(text: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/.test(text);
}
