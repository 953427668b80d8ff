import { derOctetString } from '../../../src/virtual/keymint/der.ts';
import { applicationId, PACKAGE, policyWith, SIGNER } from '../support/phone.ts';
import { application, expected, type Row } from './row.ts';

const OTHER = 'org.example.other';
const OTHER_SIGNER = 'cd'.repeat(32);

const ours = (signer: string) => ({ package: PACKAGE, signers: [signer] });

export const APPLICATION_ROWS: readonly Row[] = [
  {
    name: 'no application id',
    phone: { description: application(null) },
    fails: { APPLICATION_IDENTIFIED: 'APP_ID_MISSING' },
  },
  {
    name: 'an application that Android could not name',
    phone: { description: application(applicationId([['UnknownApplication', 0]], [])) },
    fails: { APPLICATION_IDENTIFIED: 'APP_ID_MISSING' },
  },
  {
    name: 'an application beside one that Android could not name',
    phone: {
      description: application(
        applicationId(
          [
            [PACKAGE, 7],
            ['UnknownApplication', 0],
          ],
          [SIGNER],
        ),
      ),
    },
    fails: { APPLICATION_IDENTIFIED: 'APP_ID_MISSING' },
  },
  {
    name: 'an application id without packages',
    phone: { description: application(applicationId([], [SIGNER])) },
    fails: { APPLICATION_IDENTIFIED: 'APP_ID_MISSING' },
  },
  {
    name: 'an application id that is not DER',
    phone: { description: application(derOctetString(Buffer.of(0x30, 0x80))) },
    fails: { APPLICATION_IDENTIFIED: 'APP_ID_MALFORMED' },
  },
  {
    name: 'a package name that is not UTF-8',
    phone: { description: application(applicationId([[Buffer.of(0x6f, 0xff, 0xfe), 7]], [SIGNER])) },
    fails: { APPLICATION_IDENTIFIED: 'APP_ID_MALFORMED' },
  },
  {
    name: 'an application id that only hardware states',
    phone: {
      description: ({ hardware: list, software }) => {
        list.set(709, software.get(709)!);
        software.delete(709);
      },
    },
    fails: { APPLICATION_IDENTIFIED: 'APP_ID_MISSING' },
  },
  {
    name: 'another application',
    phone: { description: application(applicationId([[OTHER, 7]], [SIGNER])) },
    fails: { APPLICATION_ALLOWED: 'APP_NOT_ALLOWED' },
  },
  {
    name: 'an application that shares its keys with another one',
    phone: {
      description: application(
        applicationId(
          [
            [PACKAGE, 7],
            [OTHER, 7],
          ],
          [SIGNER],
        ),
      ),
    },
    fails: { APPLICATION_ALLOWED: 'APP_NOT_ALLOWED' },
  },
  {
    name: 'any application, where policy names none',
    evidence: { policy: policyWith({ applications: [] }) },
    fails: { APPLICATION_ALLOWED: 'APP_NOT_ALLOWED' },
  },
  {
    name: 'a repackaged application',
    phone: { description: application(applicationId([[PACKAGE, 7]], [OTHER_SIGNER])) },
    fails: { APPLICATION_SIGNER_ALLOWED: 'APP_SIGNER_NOT_ALLOWED' },
  },
  {
    name: 'an application with a second signer',
    phone: { description: application(applicationId([[PACKAGE, 7]], [SIGNER, OTHER_SIGNER])) },
    fails: { APPLICATION_SIGNER_ALLOWED: 'APP_SIGNER_NOT_ALLOWED' },
  },
  {
    name: 'applications of one signer that policy allows for one of them only',
    phone: {
      description: application(
        applicationId(
          [
            [PACKAGE, 7],
            [OTHER, 1],
          ],
          [SIGNER],
        ),
      ),
    },
    evidence: { policy: policyWith({ applications: [ours(SIGNER), { package: OTHER, signers: [OTHER_SIGNER] }] }) },
    fails: { APPLICATION_SIGNER_ALLOWED: 'APP_SIGNER_NOT_ALLOWED' },
  },
  {
    name: 'applications of one signer that policy allows for both',
    phone: {
      description: application(
        applicationId(
          [
            [PACKAGE, 7],
            [OTHER, 1],
          ],
          [SIGNER],
        ),
      ),
    },
    evidence: { policy: policyWith({ applications: [ours(SIGNER), { package: OTHER, signers: [SIGNER] }] }) },
  },
  {
    name: 'an application that policy names twice, once for its signer',
    evidence: { policy: policyWith({ applications: [ours(OTHER_SIGNER), ours(SIGNER)] }) },
  },
  {
    name: 'an application without a signer',
    phone: { description: application(applicationId([[PACKAGE, 7]], [])) },
    fails: { APPLICATION_SIGNER_ALLOWED: 'APP_SIGNER_NOT_ALLOWED' },
    details: { APPLICATION_SIGNER_ALLOWED: 'no signer' },
  },
  {
    name: 'an application that is too old',
    phone: { description: application(applicationId([[PACKAGE, 6]], [SIGNER])) },
    fails: { APPLICATION_VERSION_ALLOWED: 'APP_VERSION_TOO_OLD' },
  },
  {
    name: 'an application that is not asked for',
    phone: { description: application(null) },
    evidence: { expected: { ...expected, application: 'skip' } },
  },
];
