import type { Result } from '../reasons/result.ts';
import type { IccData } from './elements.ts';

/** The counter of one application of a card, and its cryptogram at it. */
export interface CardApplication {
  /** DF name (84) and PAN sequence number (5F34), in hex: cards of one PAN count each for themselves. */
  readonly application: string;
  /** Application transaction counter (9F36), 1 to 65535: one higher for each use (EMV Book 3 6.5.5). */
  readonly counter: number;
  /** Application cryptogram (9F26), 8 bytes: over counter, amount, date and the terminal's random number. */
  readonly cryptogram: Buffer;
}

/** The application and its counter out of ICC data that was appraised before; throws for any other. */
export function cardApplication(icc: Result<IccData>): CardApplication {
  const name = icc.ok ? icc.value.get('84') : undefined;
  const counter = icc.ok ? icc.value.get('9F36') : undefined;
  const cryptogram = icc.ok ? icc.value.get('9F26') : undefined;
  if (!icc.ok || name === undefined || counter?.length !== 2 || cryptogram?.length !== 8)
    throw new Error('ICC data that was not appraised');
  const sequence = icc.value.get('5F34') ?? Buffer.alloc(0);
  return {
    application: `${Buffer.from(name).toString('hex')}-${Buffer.from(sequence).toString('hex')}`,
    counter: Buffer.from(counter).readUInt16BE(),
    cryptogram: Buffer.from(cryptogram),
  };
}
