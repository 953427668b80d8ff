import { bytesOfHex } from '../hex.ts';

/** A way to read bytes out of text. */
export type TextEncoding = 'hexadecimal' | 'base64' | 'hexadecimal of hexadecimal';

/** Bytes that a text may stand for. */
export interface TextReading {
  readonly encoding: TextEncoding;
  readonly bytes: Buffer;
}

const MOST_CHARACTERS = 65_536;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** All that a text may be read as, hexadecimal first; white space around and within is passed over. */
export function textReadings(text: string): TextReading[] {
  const compact = text.slice(0, MOST_CHARACTERS).replace(/\s+/g, '');
  const readings: TextReading[] = [];
  const hex = compact.length > 0 ? bytesOfHex(compact) : undefined;
  if (hex !== undefined) {
    readings.push({ encoding: 'hexadecimal', bytes: hex });
    const twice = bytesOfHex(hex.toString('latin1'));
    if (twice !== undefined) readings.push({ encoding: 'hexadecimal of hexadecimal', bytes: twice });
  }
  if (BASE64.test(compact) && compact.length % 4 === 0)
    readings.push({ encoding: 'base64', bytes: Buffer.from(compact, 'base64') });
  return readings;
}
