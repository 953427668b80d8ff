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
  mir: {
    applicationId: 'A0000006581010',
    interchangeProfile: '1980',
    verificationResults: '0000008000',
    issuerApplicationData: '0106A00002000000',
  },
};

/** Tag 9F34: method, condition, result (EMV Book 3 C3; Book 4 A4). The result of an online PIN is not known yet. */
export const CVM_RESULTS: Readonly<Record<CardholderVerification, string>> = {
  none: '1F0302',
  'online-pin': '420300',
  device: '1F0302',
};

/** Visa's tags of a contactless transaction: 9F66 (terminal: contactless, online PIN, CVM required) and 9F6C (card). */
export const VISA_QUALIFIERS: Readonly<
  Record<CardholderVerification, { readonly terminal: string; readonly card: string }>
> = {
  none: { terminal: '24804000', card: '0000' },
  'online-pin': { terminal: '24C04000', card: '8000' },
  device: { terminal: '24C04000', card: '0080' },
};
