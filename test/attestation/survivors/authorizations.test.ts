import { describe, expect, test } from '@jest/globals';
import { parseApplicationId } from '../../../src/attestation/android/application-id.ts';
import { parseKeyDescription } from '../../../src/attestation/android/key-description.ts';
import { type ProvisioningInfo, parseProvisioningInfo } from '../../../src/attestation/android/provisioning.ts';
import type { ExpectedKey } from '../../../src/attestation/appraise.ts';
import {
  derEnumerated,
  derExplicit,
  derInteger,
  derNull,
  derOctetString,
  derSequence,
  derSetOf,
} from '../../../src/virtual/keymint/der.ts';
import { readElements } from '../../fuzz/engine/elements.ts';
import { application, hardware } from '../rows/row.ts';
import {
  applicationId,
  appraise,
  CHALLENGE,
  chainOf,
  type Description,
  encodeDescription,
  honestDescription,
  PACKAGE,
  raw,
  rootOfTrust,
  SIGNER,
  setOf,
} from '../support/phone.ts';

type Bend = (description: Description) => void;

const outcome = (chain: readonly Buffer[], expected: Partial<ExpectedKey> = {}) => {
  const { verdict, checks } = appraise(chain, { expected: { challenge: CHALLENGE, purpose: 'sign', ...expected } });
  return [verdict, ...checks.filter(({ status }) => status === 'fail').map(({ code }) => code)];
};

describe('an authorisation', () => {
  const malformed = (description: Bend) =>
    expect(outcome(chainOf({ description }))).toEqual(['refused', 'CHAIN_WELL_FORMED']);
  const failureOf = (bend: Bend): string | null => {
    const description = honestDescription();
    bend(description);
    const parsed = parseKeyDescription(encodeDescription(description));
    return parsed.ok ? null : parsed.reason;
  };

  test('hides no other one behind its value', () => {
    const digests = Buffer.concat([setOf(4), derExplicit(6, setOf(1))]);
    malformed(hardware([5, digests]));
    expect(failureOf(hardware([5, digests]))).toBe('DER_TRAILING_BYTES');
    const root = Buffer.concat([rootOfTrust(), derExplicit(705, derInteger(160_000))]);
    malformed(hardware([704, root], [705, null]));
    expect(failureOf(hardware([704, root], [705, null]))).toBe('DER_TRAILING_BYTES');
  });

  test('of a date of creation is no origin', () => {
    expect(outcome(chainOf({ description: hardware([701, derInteger(0)], [702, null]) }))).toEqual([
      'refused',
      'KEY_ORIGIN',
    ]);
    const { facts } = appraise(chainOf({ description: ({ software }) => software.delete(702) }));
    expect(facts?.origin).toBe('GENERATED');
  });

  test('that is a NULL has no content', () => {
    expect(failureOf(hardware([503, raw(0x05, Buffer.of(0))]))).toBe('DER_VALUE_INVALID');
  });

  test('has an explicit tag, and stands once', () => {
    const twice: Bend = (description) => Object.assign(description, { trailing: [[704, rootOfTrust()]] });
    expect(failureOf(twice)).toBe('DER_TAG_UNEXPECTED');
    malformed(twice);
    const untagged = derSequence(
      ...[derInteger(300), derEnumerated(1), derInteger(300), derEnumerated(1), derOctetString(CHALLENGE)],
      ...[derOctetString(Buffer.alloc(0)), derSequence(derInteger(1)), derSequence()],
    );
    expect(parseKeyDescription(untagged)).toEqual({ ok: false, reason: 'DER_TAG_UNEXPECTED' });
  });

  test('that is not known does not cancel out a field that is not known', () => {
    const chain = chainOf({
      description: (stated) => {
        Object.assign(stated, { version: 600, more: [derInteger(1)] });
        stated.hardware.set(16_000, derNull());
      },
    });
    expect(appraise(chain).facts?.tolerances).toEqual(['AUTHORIZATIONS_KNOWN', 'ATTESTATION_VERSION_KNOWN']);
    const { checks } = appraise(chain);
    expect(checks.find(({ code }) => code === 'AUTHORIZATIONS_KNOWN')?.detail).toBe('tag 16000, 1 fields');
  });

  test.each([20_260, 2_026_051, 202_605_010, 2_026_050_101])('of patch level %i is no date', (level) => {
    const description = hardware([706, derInteger(level)], [718, derInteger(level)], [719, derInteger(level)]);
    expect(outcome(chainOf({ description }))).toEqual([
      'refused',
      'OS_PATCH_CURRENT',
      'VENDOR_PATCH_CURRENT',
      'BOOT_PATCH_CURRENT',
    ]);
  });

  test('of a boot state that nobody knows is named so', () => {
    const { facts } = appraise(chainOf({ description: hardware([704, rootOfTrust({ state: 9 })]) }));
    expect(facts?.rootOfTrust?.verifiedBootState).toBe('UNKNOWN');
  });
});

describe('what one list does not state', () => {
  test('is absent: no empty list states a purpose, a digest or a freedom', () => {
    const description = honestDescription();
    description.software.clear();
    description.hardware.clear();
    const parsed = parseKeyDescription(encodeDescription(description));
    expect(parsed.ok && parsed.value.hardwareEnforced).toEqual(parsed.ok && parsed.value.softwareEnforced);
    expect(parsed.ok && parsed.value.hardwareEnforced).toMatchObject({
      purposes: [],
      algorithm: null,
      keySize: null,
      digests: [],
      paddings: [],
      ecCurve: null,
      allApplications: false,
      noAuthRequired: false,
      origin: null,
      creationDateTime: null,
      rootOfTrust: null,
      osVersion: null,
      osPatchLevel: null,
      vendorPatchLevel: null,
      bootPatchLevel: null,
      applicationId: null,
      deviceIds: null,
      moduleHash: null,
      unknown: [],
      ordered: true,
    });
  });
});

describe('an application id', () => {
  const octets = (wrapped: Buffer): Buffer => Buffer.from(readElements(wrapped)?.[0]?.content ?? []);
  const HONEST = octets(applicationId([[PACKAGE, 7]], [SIGNER]));
  const [packages, signers] = (readElements(HONEST)?.[0]?.children ?? []).map(({ tag, content }) =>
    Buffer.concat([tag, Buffer.of(content.length), content]),
  );

  test.each([
    ['it', Buffer.concat([HONEST, derNull()])],
    ['the signers', derSequence(packages!, signers!, derNull())],
    ['the packages', derSequence(packages!, derSetOf([]), signers!)],
  ])('is refused with anything behind %s', (_, bytes) => {
    expect(parseApplicationId(HONEST).ok).toBe(true);
    expect(parseApplicationId(bytes)).toEqual({ ok: false, reason: 'DER_TRAILING_BYTES' });
  });

  test('is refused as text where a name is not UTF-8', () => {
    const bytes = octets(applicationId([[Buffer.of(0x6f, 0xff), 7]], [SIGNER]));
    expect(parseApplicationId(bytes)).toEqual({ ok: false, reason: 'TEXT_INVALID' });
  });

  test('of another application says nothing good of its signers', () => {
    const chain = chainOf({ description: application(applicationId([['org.example.other', 7]], [SIGNER])) });
    expect(appraise(chain).checks).toContainEqual(
      expect.objectContaining({ code: 'APPLICATION_SIGNER_ALLOWED', status: 'skipped' }),
    );
  });
});

describe('provisioning information', () => {
  const info = (hex: string) => parseProvisioningInfo(Buffer.from(hex, 'hex'));
  const stating = (certificatesIssued: number | null) => ({
    ok: true,
    value: { certificatesIssued } satisfies ProvisioningInfo,
  });

  test('counts certificates by a number, or not at all', () => {
    expect(info('a10108')).toEqual(stating(8));
    expect(info('a1016138')).toEqual(stating(null));
    expect(info('a101f5')).toEqual(stating(null));
    expect(info('a0')).toEqual(stating(null));
  });

  test.each([
    ['cut off', 'a101', 'CBOR_TRUNCATED'],
    ['of more than one item', 'a0a0', 'CBOR_TRAILING_BYTES'],
    ['that is no map', '80', 'PROVISIONING_INFO_NOT_A_MAP'],
    ['that is nested without an end', `a102${'81'.repeat(1_000)}`, 'CBOR_TOO_DEEP'],
    ['that is nested deeper than it need be', 'a1028181818100', 'CBOR_TOO_DEEP'],
    ['of more bytes than it need have', `a1025904${'00'.repeat(1030)}`, 'CBOR_TOO_LARGE'],
    ['of more items than it need have', `a1029840${'00'.repeat(64)}`, 'CBOR_TOO_LARGE'],
  ])('%s is refused', (_, hex, reason) => {
    expect(info(hex)).toMatchObject({ ok: false, reason });
  });
});
