/** Form of one data element: its least and greatest length in bytes, and what its value must be like. */
interface Format {
  readonly least: number;
  readonly greatest: number;
  readonly holds?: (value: Uint8Array) => boolean;
}

const isNumeric = (value: Uint8Array): boolean => value.every((byte) => byte >> 4 <= 9 && (byte & 0x0f) <= 9);
const isNotZero = (value: Uint8Array): boolean => value.some((byte) => byte !== 0);

const bytes = (least: number, greatest = least): Format => ({ least, greatest });
const numeric = (length: number): Format => ({ ...bytes(length), holds: isNumeric });

const LARGEST_SHORT_FILE = 30;

/** One entry of four bytes: short file, first and last record, records that take part in offline authentication. */
function isFileEntry([file = 0, first = 0, last = 0, signed = 0]: Uint8Array): boolean {
  const number = file >> 3;
  if ((file & 0x07) !== 0 || number < 1 || number > LARGEST_SHORT_FILE) return false;
  return first >= 1 && last >= first && signed <= last - first + 1;
}

/** Application file locator (EMV Book 3 10.2). */
function isFileLocator(value: Uint8Array): boolean {
  if (value.length % 4 !== 0) return false;
  for (let at = 0; at < value.length; at += 4) if (!isFileEntry(value.subarray(at, at + 4))) return false;
  return true;
}

/**
 * Elements that mean the same to every kernel (EMV Book 3 Annex A). A transaction counter of zero is impossible: the card
 * counts before it answers.
 */
const COMMON: ReadonlyMap<string, Format> = new Map([
  ['4F', bytes(5, 16)],
  ['5F2A', numeric(2)],
  ['5F34', numeric(1)],
  ['82', bytes(2)],
  ['84', bytes(5, 16)],
  ['94', { ...bytes(4, 252), holds: isFileLocator }],
  ['95', bytes(5)],
  ['9A', numeric(3)],
  ['9C', numeric(1)],
  ['9F02', numeric(6)],
  ['9F03', numeric(6)],
  ['9F06', bytes(5, 16)],
  ['9F10', bytes(1, 32)],
  ['9F1A', { ...bytes(2), holds: (value) => isNumeric(value) && isNotZero(value) }],
  ['9F26', bytes(8)],
  ['9F27', bytes(1)],
  ['9F33', bytes(3)],
  ['9F34', bytes(3)],
  ['9F35', numeric(1)],
  ['9F36', { ...bytes(2), holds: isNotZero }],
  ['9F37', bytes(4)],
  ['9F39', numeric(1)],
]);

/** Elements of a fixed length, by tag, in one kernel's meaning of them. */
export type KernelLengths = ReadonlyMap<string, number>;

/** The first tag whose value is not of the form that all kernels give it, or null; other tags are not looked at. */
export function malformedElement(icc: ReadonlyMap<string, Uint8Array>): string | null {
  for (const [tag, format] of COMMON) {
    const value = icc.get(tag);
    if (value === undefined) continue;
    const { least, greatest, holds } = format;
    if (value.length < least || value.length > greatest || holds?.(value) === false) return tag;
  }
  return null;
}

/** The first tag whose value has not the length that one kernel gives it, or null. */
export function mismeasuredElement(icc: ReadonlyMap<string, Uint8Array>, lengths: KernelLengths): string | null {
  for (const [tag, length] of lengths) if ((icc.get(tag)?.length ?? length) !== length) return tag;
  return null;
}
