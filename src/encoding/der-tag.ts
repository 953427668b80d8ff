const CONSTRUCTED = 1;
const CONTEXT_CONSTRUCTED = 5;

/** The tag of this number, with class (2 bits) and constructed bit. */
export const tagOf = (number: number, leadingBits: number): number => number * 8 + leadingBits;

/** Tags as the reader compares them: number × 8 + class (2 bits) and constructed bit. */
export const TAG = {
  BOOLEAN: tagOf(1, 0),
  INTEGER: tagOf(2, 0),
  BIT_STRING: tagOf(3, 0),
  OCTET_STRING: tagOf(4, 0),
  NULL: tagOf(5, 0),
  OBJECT_IDENTIFIER: tagOf(6, 0),
  ENUMERATED: tagOf(10, 0),
  UTC_TIME: tagOf(23, 0),
  GENERALIZED_TIME: tagOf(24, 0),
  SEQUENCE: tagOf(16, CONSTRUCTED),
  SET: tagOf(17, CONSTRUCTED),
} as const;

/** What `peek` answers where nothing is left of the open element. */
export const NO_TAG = -1;

/** Tag of `[number] EXPLICIT`, or of a constructed IMPLICIT. */
export const explicitTag = (number: number): number => tagOf(number, CONTEXT_CONSTRUCTED);

/** The number of an explicit context tag, or NO_TAG for any other tag. */
export const explicitNumber = (tag: number): number => ((tag & 7) === CONTEXT_CONSTRUCTED ? tag >>> 3 : NO_TAG);
