import { z } from 'zod';
import { type Codec, jsonCodec } from '../../../src/store/volatile/codec.ts';

/** Values of stores that are tested for themselves: texts. */
export const textCodec: Codec<string> = jsonCodec(z.string().max(100_000));
