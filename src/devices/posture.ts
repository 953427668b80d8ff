/** What a phone may report about itself that policy can forbid. */
export const POSTURE_SIGNS = [
  'background',
  'focus-lost',
  'overlay',
  'screen-capture',
  'debugger',
  'hooking',
  'accessibility-service',
  'developer-options',
] as const;

/** One such sign. */
export type PostureSign = (typeof POSTURE_SIGNS)[number];

/** A posture report: the signs that are present. It may refuse, never approve. */
export type Posture = ReadonlySet<PostureSign>;

/** The reported signs that policy forbids, in the catalogue's order. */
export function forbiddenSigns(posture: Posture, forbidden: readonly PostureSign[]): readonly PostureSign[] {
  return POSTURE_SIGNS.filter((sign) => posture.has(sign) && forbidden.includes(sign));
}
