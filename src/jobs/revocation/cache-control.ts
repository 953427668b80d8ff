/** What the headers of an answer say of its age, in seconds. */
export interface Freshness {
  /** How long ago the publisher gave it to a cache on the way (RFC 9111 5.1); 0 where none was. */
  readonly ageSeconds: number;
  /** How long it may still be kept (RFC 9111 4.2); null where nothing is said. */
  readonly maximumAgeSeconds: number | null;
}

const SECONDS = /^[0-9]{1,9}$/;
const seconds = (text: string | undefined): number | null =>
  text !== undefined && SECONDS.test(text) ? Number(text) : null;

/** `Cache-Control` by directive, in lower case; the first of a name stands. */
function directivesOf(header: string): ReadonlyMap<string, string | undefined> {
  const directives = new Map<string, string | undefined>();
  for (const part of header.slice(0, 1024).split(',')) {
    const [name = '', value] = part.trim().toLowerCase().split('=', 2);
    if (!directives.has(name)) directives.set(name, value?.replaceAll('"', ''));
  }
  return directives;
}

/** Reads `Cache-Control` and `Age`. `no-store` and `no-cache` leave nothing to keep; what is not understood is not said. */
export function freshnessOf(header: (name: string) => string | null): Freshness {
  const ageSeconds = seconds(header('age') ?? '0') ?? 0;
  const directives = directivesOf(header('cache-control') ?? '');
  if (directives.has('no-store') || directives.has('no-cache')) return { ageSeconds, maximumAgeSeconds: 0 };
  const maximum = seconds(directives.get('max-age'));
  return { ageSeconds, maximumAgeSeconds: maximum === null ? null : Math.max(0, maximum - ageSeconds) };
}
