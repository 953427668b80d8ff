import type { KeyEvidence } from '../../../src/attestation/appraise.ts';
import { derInteger } from '../../../src/virtual/keymint/der.ts';
import type { CertificateTemplate } from '../../../src/x509/issue.ts';
import { AT, type Description, type PhoneBends } from '../support/phone.ts';

/** One way to bend the honest phone, and everything that comes of it. */
export interface Row {
  /** How the honest phone, or what is expected of it, is bent. */
  readonly name: string;
  readonly phone?: PhoneBends;
  readonly chain?: () => Buffer[];
  readonly evidence?: Partial<KeyEvidence>;
  /** Every check that fails, with its reason; none: trusted. */
  readonly fails?: Readonly<Record<string, string>>;
  /** Every check that ends as tolerated. */
  readonly tolerates?: readonly string[];
  /** What the operator reads of a check. */
  readonly details?: Readonly<Record<string, string>>;
}

export const DAY = 86_400_000;

/** Validity in days before and after the appraisal. */
export const dated =
  (from: number, to: number) =>
  (template: CertificateTemplate): CertificateTemplate => ({
    ...template,
    notBefore: new Date(AT.getTime() + from * DAY),
    notAfter: new Date(AT.getTime() + to * DAY),
  });

/** Sets hardware-enforced authorisations, or takes them away. */
export const hardware =
  (...authorizations: [tag: number, value: Buffer | null][]) =>
  ({ hardware: list }: Description): void => {
    for (const [tag, value] of authorizations) {
      if (value === null) list.delete(tag);
      else list.set(tag, value);
    }
  };

/** Describes an RSA key of 2048 bits. */
export const rsaKey = hardware([2, derInteger(1)], [3, derInteger(2048)], [10, null]);

/** Sets what the system says of the application, or takes it away. */
export const application =
  (value: Buffer | null) =>
  ({ software }: Description): void => {
    if (value === null) software.delete(709);
    else software.set(709, value);
  };

export const expected = { challenge: Buffer.alloc(32, 0xc4), purpose: 'sign' as const };
