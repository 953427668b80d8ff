import { types } from 'pg';

const INT8 = 20;
const INT8_ARRAY = 1016;
const DATE = 1082;

/** `null` as an element is spelt NULL in an array's text form. */
function bigintArray(text: string): (bigint | null)[] {
  const inside = text.slice(1, -1);
  if (inside === '') return [];
  return inside.split(',').map((element) => (element === 'NULL' ? null : BigInt(element)));
}

type Parser = (text: string) => unknown;

const OWN: ReadonlyMap<number, Parser> = new Map<number, Parser>([
  [INT8, BigInt],
  [INT8_ARRAY, bigintArray],
  // A calendar date belongs to no time zone, so it stays text.
  [DATE, String],
]);

/**
 * How column values become JavaScript values: INT8 a bigint, BYTEA a Buffer, TIMESTAMPTZ a Date, DATE its text,
 * NUMERIC its text, JSONB parsed (whose numbers are doubles: keep 64-bit values in it as text).
 */
export const VALUE_TYPES: { readonly getTypeParser: typeof types.getTypeParser } = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    return (format ?? 'text') === 'text'
      ? (OWN.get(oid) ?? types.getTypeParser(oid, 'text'))
      : types.getTypeParser(oid, 'binary');
  },
};
