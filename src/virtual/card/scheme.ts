import type { CardholderVerification } from '../../sessions/transaction.ts';
import type { CardScheme } from './account.ts';

/** What the cards of a scheme, and its kernel, put into ICC data. Hexadecimal. */
interface SchemeValues {
  /** Tag 84. */
  readonly applicationId: string;
  /** Tag 82. */
  readonly interchangeProfile: string;
  /** Tag 95. */
  readonly verificationResults: string;
  /** Tag 9F10. */
  readonly issuerApplicationData: string;
}

/** By scheme. */
export const SCHEME_VALUES: Readonly<Record<CardScheme, SchemeValues>> = {
  visa: {
    applicationId: 'A0000000031010',
    interchangeProfile: '2000',
    verificationResults: '0000000000',
    issuerApplicationData: '06011203A00000',
  },
  mastercard: {
    applicationId: 'A0000000041010',
    interchangeProfile: '1980',
    verificationResults: '0000008000',
    issuerApplicationData: '0110A00001220000000000000000000000FF',
  },
  'american-express': {
    applicationId: 'A00000002501',
    interchangeProfile: '1980',
    verificationResults: '0000008000',
    issuerApplicationData: '06020103A00000',
  },
  jcb: {
    applicationId: 'A0000000651010',
    interchangeProfile: '1980',
    verificationResults: '0000008000',
    issuerApplicationData: '07010103A0000000',
  },
  discover: {
    applicationId: 'A0000001523010',
    interchangeProfile: '1980',
    verificationResults: '0000008000',
    issuerApplicationData: '0105A00003240000',
  },
  unionpay: {
    applicationId: 'A000000333010102',
    interchangeProfile: '7C00',
    verificationResults: '0000000000',
    issuerApplicationData: '07010103A00000010A010000000000',
  },
  mir: {
    applicationId: 'A0000006581010',
    interchangeProfile: '1980',
    verificationResults: '0000008000',
    issuerApplicationData: '0106A00002000000',
  },
};

/** Tag 9F34: method, condition, result (EMV Book 3 C3; Book 4 A4). The result of an online PIN is not known yet. */
const CVM_RESULTS: Readonly<Record<CardholderVerification, string>> = {
  none: '1F0302',
  'online-pin': '420300',
  device: '1F0302',
};

/** Tags 9F66 (terminal: contactless, online PIN, CVM required) and 9F6C (card). */
const QUALIFIERS: Readonly<Record<CardholderVerification, readonly [string, string]>> = {
  none: ['24804000', '0000'],
  'online-pin': ['24C04000', '8000'],
  device: ['24C04000', '0080'],
};

/** Bits that are set in byte `at` of a value in hexadecimal. */
function withBits(value: string, at: number, bits: number): string {
  const bytes = Buffer.from(value, 'hex');
  bytes[at] = (bytes[at] ?? 0) | bits;
  return bytes.toString('hex');
}

/**
 * The tags, in hexadecimal, by which card and kernel say how the cardholder is verified: qualifiers with Visa and
 * UnionPay; elsewhere CVM results, and "online PIN entered" in the terminal verification results (byte 3 bit 3). A device
 * with a Mastercard says so in its profile (byte 1 bit 2) and in the CVM results; the other schemes' cards say nothing of
 * a device.
 */
export function verificationElements(
  scheme: CardScheme,
  verification: CardholderVerification,
): ReadonlyMap<string, string> {
  const results = CVM_RESULTS[verification];
  if (scheme === 'visa' || scheme === 'unionpay') {
    const [terminal, card] = QUALIFIERS[verification];
    return new Map([
      ['9F34', results],
      ['9F66', terminal],
      ['9F6C', card],
    ]);
  }
  const { interchangeProfile, verificationResults } = SCHEME_VALUES[scheme];
  if (verification === 'online-pin') {
    return new Map([
      ['9F34', results],
      ['95', withBits(verificationResults, 2, 0x04)],
    ]);
  }
  if (verification === 'device' && scheme === 'mastercard') {
    return new Map([
      ['9F34', '010002'],
      ['82', withBits(interchangeProfile, 0, 0x02)],
    ]);
  }
  return new Map([['9F34', results]]);
}
