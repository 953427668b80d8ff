import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseCertificate } from '../../../src/attestation/android/certificate.ts';
import { parseKeyDescription } from '../../../src/attestation/android/key-description.ts';
import { encodePem } from '../../../src/encoding/pem.ts';
import { type Element, elementBytes, flatten, readElements } from '../engine/elements.ts';
import { attestedReader, makeAttester, type StoredAttester } from './der/attested.ts';
import { chainReader } from './der/chain.ts';
import { type Chain, realChains, vectorFolder, virtualChains } from './der/chains.ts';
import {
  applicationIdReader,
  authorizationListReader,
  certificateReader,
  keyDescriptionReader,
  pemReader,
  provisioningReader,
  rootOfTrustReader,
  statusListReader,
} from './der/readers.ts';
import type { Target } from './target.ts';

const ROOT_OF_TRUST = Buffer.from('bf8540', 'hex');
const MAXIMUM_CERTIFICATE = 32_768;

/** The two authorisation lists of a key description and the roots of trust in them, as they are encoded. */
function partsOf(description: Uint8Array) {
  const fields = readElements(description)?.[0]?.children ?? [];
  const lists = fields.slice(6, 8);
  const encoded = ({ tag, content }: Element) => elementBytes(tag, content);
  const roots = flatten(lists)
    .filter(({ tag }) => Buffer.compare(tag, ROOT_OF_TRUST) === 0)
    .map(({ content }) => content);
  return { lists: lists.map(encoded), roots };
}

function statusLists(): readonly Uint8Array[] {
  const own = [
    '{"entries":{}}',
    '{"entries":{"5871646753572800414":{"status":"REVOKED","reason":"KEY_COMPROMISE"},"00AB":{"status":"SUSPENDED"}}}',
    '{"entries":{"f0":{"status":"REVOKED","expires":"2030-01-01","reason":"SOFTWARE_FLAW","comment":"x"}},"more":[1,null]}',
  ].map((text) => Buffer.from(text));
  const folder = vectorFolder();
  if (folder === null) return own;
  const status = join(folder, 'status');
  return [...own, ...readdirSync(status).map((file) => readFileSync(join(status, file)).subarray(0, 2000))];
}

interface Prepared {
  /** DER in hex. */
  readonly chains: readonly (readonly string[])[];
  readonly attester: StoredAttester;
}

/** Everything of a certificate chain that a phone sends, and the list of those that are revoked. */
export const DER: Target = {
  prepare: async () => {
    const chains = virtualChains().map((chain) => chain.map((der) => der.toString('hex')));
    const prepared: Prepared = { chains, attester: makeAttester() };
    return JSON.stringify(prepared);
  },
  open: (prepared) => {
    const { chains, attester } = JSON.parse(prepared) as Prepared;
    const virtual: Chain[] = chains.map((chain) => chain.map((der) => Buffer.from(der, 'hex')));
    const real = realChains();
    const certificates = [...virtual, ...real].flat();
    const parsed = certificates.flatMap((der) => {
      const certificate = parseCertificate(der, MAXIMUM_CERTIFICATE);
      return certificate.ok ? [certificate.value] : [];
    });
    const descriptions = parsed.flatMap(({ keyDescription }) => keyDescription ?? []);
    const parts = descriptions.map(partsOf);
    const applicationIds = descriptions.flatMap((content) => {
      const description = parseKeyDescription(content);
      return description.ok ? (description.value.softwareEnforced.applicationId ?? []) : [];
    });
    const [shortest] = [...virtual].sort((a, b) => Buffer.concat(a).length - Buffer.concat(b).length);
    return [
      certificateReader(certificates),
      keyDescriptionReader(descriptions),
      authorizationListReader(parts.flatMap(({ lists }) => lists)),
      rootOfTrustReader(parts.flatMap(({ roots }) => roots)),
      applicationIdReader(applicationIds),
      provisioningReader(parsed.flatMap(({ provisioningInfo }) => provisioningInfo ?? [])),
      pemReader([
        Buffer.from((shortest ?? []).map((der) => `# ${der.length}\n${encodePem('CERTIFICATE', der)}`).join('\r\n')),
      ]),
      statusListReader(statusLists()),
      chainReader(virtual, real),
      attestedReader(attester),
    ];
  },
};
