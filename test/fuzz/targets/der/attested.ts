import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createAnchorSet } from '../../../../src/attestation/android/anchors.ts';
import { appraiseKey } from '../../../../src/attestation/appraise.ts';
import { attestationPolicySchema } from '../../../../src/attestation/policy.ts';
import { encodeKeyDescription, KEY_DESCRIPTION_OID } from '../../../../src/virtual/keymint/key-description.ts';
import { HOSTILE_PROFILES, honestProfiles, VIRTUAL_APPLICATION } from '../../../../src/virtual/keymint/profiles.ts';
import { encodeName, issueCertificate } from '../../../../src/x509/issue.ts';
import { type Element, elementBytes, flatten, readElements, writeElements } from '../../engine/elements.ts';
import { invariant, type Reader } from '../target.ts';
import { AT } from './chains.ts';
import { DER_TOKENS } from './tokens.ts';

const MAXIMUM_DESCRIPTION = 4096;
const CHALLENGE = Buffer.alloc(32, 0xc4);
const NOTHING = Buffer.alloc(0);
const OCTET_STRING = 0x04;
const OBJECT_IDENTIFIER = 0x06;
const ROOT_NAME = [{ type: 'CN', value: 'Fuzzing root' }] as const;

/** Policy as strict as it is by default, for the application of the virtual phones. */
const POLICY = attestationPolicySchema.parse({
  applications: [
    { package: VIRTUAL_APPLICATION.packageName, signers: [VIRTUAL_APPLICATION.signerDigest], minimumVersion: 1 },
  ],
});

const STATUS_LIST = { fetchedAt: AT, entries: new Map([['ff', { status: 'REVOKED', reason: null }]]) };

/** A leaf and the key of the root that signs it, as they are kept with a finding. */
export interface StoredAttester {
  /** PKCS #8, hex. */
  readonly root: string;
  /** DER, hex. */
  readonly leaf: string;
}

const honestDescriptions = (): Buffer[] => {
  const key = { purpose: 'sign', algorithm: 'EC', bits: 256, challenge: CHALLENGE } as const;
  const honest = honestProfiles(AT);
  const hostile = Object.values(HOSTILE_PROFILES).map((make) => make(honest.tee));
  return [...Object.values(honest), ...hostile].map((profile) => encodeKeyDescription(profile, key, AT));
};

/** A root and a leaf below it, whose key description is exchanged for others. */
export function makeAttester(): StoredAttester {
  const root = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const leaf = issueCertificate({
    subject: [{ type: 'CN', value: 'Android Keystore Key' }],
    issuer: ROOT_NAME,
    spki: key.publicKey.export({ type: 'spki', format: 'der' }),
    serial: Uint8Array.of(1),
    notBefore: new Date('2020-01-01T00:00:00Z'),
    notAfter: new Date('2049-01-01T00:00:00Z'),
    extensions: [{ oid: KEY_DESCRIPTION_OID, critical: false, value: honestDescriptions()[0]! }],
    signingKey: root.privateKey,
    signatureHash: 'sha256',
  });
  const pkcs8 = root.privateKey.export({ type: 'pkcs8', format: 'der' });
  return { root: pkcs8.toString('hex'), leaf: leaf.toString('hex') };
}

/** Issues leaves that differ in their key description only: what the hardware would have signed. */
class Attester {
  readonly #key: KeyObject;
  readonly #tbs: Element;
  readonly #algorithm: Element;
  readonly #described: Element;
  readonly #space = new Uint8Array(2 * MAXIMUM_DESCRIPTION);

  constructor({ leaf }: StoredAttester, key: KeyObject) {
    const [tbs, algorithm] = readElements(Buffer.from(leaf, 'hex'))?.[0]?.children ?? [];
    if (tbs === undefined || algorithm === undefined) throw new Error('not a certificate');
    const all = flatten([tbs]);
    // The one extension: its value follows its OID.
    const described = all.find(
      ({ tag }, index) => tag[0] === OCTET_STRING && all[index - 1]?.tag[0] === OBJECT_IDENTIFIER,
    );
    if (described === undefined) throw new Error('no extension');
    this.#key = key;
    this.#tbs = tbs;
    this.#algorithm = algorithm;
    this.#described = described;
  }

  issue(description: Uint8Array): Buffer {
    const by = [elementBytes(this.#described.tag, description)];
    const tbs = this.#space.subarray(writeElements([this.#tbs], this.#space, { of: this.#described, by }));
    const signature = elementBytes(Uint8Array.of(0x03), Buffer.of(0), sign('sha256', tbs, this.#key));
    const algorithm = elementBytes(this.#algorithm.tag, this.#algorithm.content);
    return elementBytes(Uint8Array.of(0x30), tbs, algorithm, signature);
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Authorisations of a list by their tags; null where one stands twice. */
function authorizations(list: Element | undefined): ReadonlyMap<string, Element> | null {
  const all = new Map<string, Element>();
  for (const element of list?.children ?? []) {
    if (all.has(hex(element.tag))) return null;
    all.set(hex(element.tag), element);
  }
  return all;
}

const TAGS = {
  purpose: 'a1',
  allApplications: 'bf8458',
  origin: 'bf853e',
  rootOfTrust: 'bf8540',
  applicationId: 'bf8545',
} as const;

/** What must not be trusted in a description, read on other ways than the ones that are tested; null where all is well. */
function objection(description: Uint8Array): string | null {
  const [, level, , keyLevel, challenge, , software, hardware] = readElements(description)?.[0]?.children ?? [];
  const [soft, hard] = [authorizations(software), authorizations(hardware)];
  if (soft === null || hard === null) return 'a tag stands twice';
  if ([level, keyLevel].some((one) => !['01', '02'].includes(hex(one?.content ?? NOTHING)))) return 'not of hardware';
  if (challenge === undefined || Buffer.compare(challenge.content, CHALLENGE) !== 0) return 'another challenge';
  const purposes = (hard.get(TAGS.purpose)?.children?.[0]?.children ?? []).map(({ content }) => hex(content));
  if (!purposes.includes('02') || purposes.some((purpose) => purpose !== '02' && purpose !== '03'))
    return 'another purpose';
  if (hex(hard.get(TAGS.origin)?.content ?? NOTHING) !== '020100') return 'not generated';
  if (soft.has(TAGS.allApplications) || hard.has(TAGS.allApplications)) return 'any application may use the key';
  const [, locked, state] = hard.get(TAGS.rootOfTrust)?.children?.[0]?.children ?? [];
  if (locked === undefined || locked.content.every((byte) => byte === 0)) return 'not locked';
  if (hex(state?.content ?? NOTHING) !== '00') return 'not verified boot';
  return applicationObjection(soft.get(TAGS.applicationId));
}

function applicationObjection(id: Element | undefined): string | null {
  const [packages, signers] = id?.children?.[0]?.children?.[0]?.children ?? [];
  const names = (packages?.children ?? []).map(({ children }) => Buffer.from(children?.[0]?.content ?? []).toString());
  const digests = (signers?.children ?? []).map(({ content }) => hex(content));
  if (names.length === 0 || names.some((name) => name !== VIRTUAL_APPLICATION.packageName))
    return 'another application';
  const foreign = digests.length === 0 || digests.some((digest) => digest !== VIRTUAL_APPLICATION.signerDigest);
  return foreign ? 'another signer' : null;
}

/**
 * Key descriptions under a good signature, as hostile or broken hardware could make them: whatever is trusted has the
 * challenge, a locked phone, verified boot, the one purpose and the allowed application.
 */
export function attestedReader(stored: StoredAttester): Reader {
  const key = createPrivateKey({ key: Buffer.from(stored.root, 'hex'), format: 'der', type: 'pkcs8' });
  const attester = new Attester(stored, key);
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const anchors = createAnchorSet([{ name: 'fuzzing', kind: 'hardware', subject: encodeName(ROOT_NAME), spki }]);
  return {
    name: 'attested',
    weight: 4,
    maximumBytes: MAXIMUM_DESCRIPTION,
    seeds: honestDescriptions(),
    elements: true,
    tokens: DER_TOKENS,
    read: (input) => {
      const { verdict } = appraiseKey({
        chain: [attester.issue(input)],
        at: AT,
        policy: POLICY,
        expected: { challenge: CHALLENGE, purpose: 'sign' },
        anchors,
        statusList: STATUS_LIST,
      });
      if (verdict !== 'trusted') return false;
      const wrong = objection(input);
      invariant(wrong === null, `a key is trusted that must not be: ${wrong}`);
      return true;
    },
  };
}
