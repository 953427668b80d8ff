import { crash, endless, hoard, reverseTwice, slow } from '../control/planted.ts';
import { type Reader, sameBytes, type Target } from './target.ts';

const seeds = [Buffer.from('honest'), Buffer.from('300602010a040107', 'hex')];

const reader = (name: string, read: Reader['read'], more: Partial<Reader> = {}): Reader => ({
  name,
  weight: 1,
  maximumBytes: 64,
  seeds,
  read,
  ...more,
});

/** Planted bugs of every kind that the fuzzer is meant to find. */
export const CONTROL: Target = {
  prepare: async () => '',
  open: () => [
    reader('crash', crash),
    reader(
      'invariant',
      (input) => {
        sameBytes(reverseTwice(input), input, 'reversed twice is not the same');
        return true;
      },
      { elements: true },
    ),
    reader('slow', slow),
    reader('endless', endless),
    reader('hoard', hoard),
    reader('deaf', () => false),
  ],
};
