import type { Attack } from './attack.ts';

/** Attacks in the order of their numbers; those without one at the end, along the path. */
export function inOrder(attacks: readonly Attack[]): readonly Attack[] {
  const place = ({ number }: Attack): number => number ?? Number.POSITIVE_INFINITY;
  return attacks
    .map((attack, at) => ({ attack, at }))
    .sort((a, b) => (place(a.attack) === place(b.attack) ? a.at - b.at : place(a.attack) - place(b.attack)))
    .map(({ attack }) => attack);
}

/** The attacks of these numbers and names, all where none is given; else the first word that names none. */
export function attacksOf(
  words: readonly string[],
  attacks: readonly Attack[],
): { readonly selected: readonly Attack[] } | { readonly unknown: string } {
  if (words.length === 0) return { selected: attacks };
  const selected = new Set<Attack>();
  for (const word of words) {
    const named = attacks.filter(({ name, number }) => name === word || String(number) === word);
    if (named.length === 0) return { unknown: word };
    for (const attack of named) selected.add(attack);
  }
  return { selected: attacks.filter((attack) => selected.has(attack)) };
}
