import { X509Certificate } from 'node:crypto';
import { parseApplicationId } from '../../../../src/attestation/android/application-id.ts';
import { readAuthorizationList } from '../../../../src/attestation/android/authorization-list.ts';
import { parseCertificate } from '../../../../src/attestation/android/certificate.ts';
import { parseKeyDescription } from '../../../../src/attestation/android/key-description.ts';
import { parseProvisioningInfo } from '../../../../src/attestation/android/provisioning.ts';
import { parseStatusList } from '../../../../src/attestation/android/revocation.ts';
import { readRootOfTrust } from '../../../../src/attestation/android/root-of-trust.ts';
import { decodeCbor } from '../../../../src/encoding/cbor.ts';
import { readDer } from '../../../../src/encoding/der.ts';
import { decodePem, encodePem } from '../../../../src/encoding/pem.ts';
import { derInteger, derOctetString, derSequence } from '../../../../src/virtual/keymint/der.ts';
import { elementBytes } from '../../engine/elements.ts';
import { invariant, type Reader, sameBytes } from '../target.ts';
import { encodeCbor } from './cbor.ts';
import { distinct } from './chains.ts';
import { descriptionSays, listSays } from './independent.ts';
import { CBOR_TOKENS, DER_TOKENS, JSON_TOKENS, PEM_TOKENS } from './tokens.ts';

const MAXIMUM_CERTIFICATE = 8192;
const MAXIMUM_DESCRIPTION = 4096;

const der = { elements: true, tokens: DER_TOKENS } as const;

/** OpenSSL sees the same key and serial number, where it reads the certificate at all. */
function agreesWithOpenSsl(input: Uint8Array): void {
  const ours = parseCertificate(input, MAXIMUM_CERTIFICATE);
  if (!ours.ok) return;
  let theirs: X509Certificate;
  let spki: Uint8Array;
  try {
    theirs = new X509Certificate(input);
    spki = theirs.publicKey.export({ type: 'spki', format: 'der' });
  } catch {
    // OpenSSL refuses more than this reader: names, points that are not on their curve, unknown kinds of keys.
    return;
  }
  const { key, serial, notBefore, notAfter } = ours.value;
  sameBytes(key.spki, spki, 'OpenSSL sees another subject key');
  const theirSerial = theirs.serialNumber.toLowerCase().replace(/^(-?)0+(?=.)/, '$1');
  invariant(serial === theirSerial, `OpenSSL sees another serial number: ${theirSerial} is not ${serial}`);
  const dates = `${theirs.validFromDate.getTime()} ${theirs.validToDate.getTime()}`;
  invariant(dates === `${notBefore} ${notAfter}`, `OpenSSL sees other dates: ${dates} is not ${notBefore} ${notAfter}`);
}

export const certificateReader = (seeds: readonly Uint8Array[]): Reader => ({
  name: 'certificate',
  weight: 24,
  maximumBytes: MAXIMUM_CERTIFICATE,
  seeds: distinct(seeds),
  ...der,
  read: (input) => parseCertificate(input, MAXIMUM_CERTIFICATE).ok,
  examine: agreesWithOpenSsl,
});

export const keyDescriptionReader = (seeds: readonly Uint8Array[]): Reader => ({
  name: 'key-description',
  weight: 24,
  maximumBytes: MAXIMUM_DESCRIPTION,
  seeds: distinct(seeds),
  ...der,
  read: (input) => {
    const description = parseKeyDescription(input);
    if (!description.ok) return false;
    const { applicationId } = description.value.softwareEnforced;
    if (applicationId !== null) parseApplicationId(applicationId);
    descriptionSays(input, description.value);
    return true;
  },
});

const LIST_LIMITS = { maximumBytes: MAXIMUM_DESCRIPTION, maximumDepth: 8, tolerateBooleans: true };

export const authorizationListReader = (seeds: readonly Uint8Array[]): Reader => ({
  name: 'authorization-list',
  weight: 16,
  maximumBytes: MAXIMUM_DESCRIPTION,
  seeds: distinct(seeds),
  ...der,
  read: (input) => {
    const list = readDer(input, LIST_LIMITS, readAuthorizationList);
    if (!list.ok) return false;
    const known = list.value.unknown.map(({ tag }) => tag);
    invariant(new Set(known).size === known.length, 'a tag stands twice in an accepted list');
    listSays(input, list.value);
    return true;
  },
});

const STATES = ['VERIFIED', 'SELF_SIGNED', 'UNVERIFIED', 'FAILED'];

export const rootOfTrustReader = (seeds: readonly Uint8Array[]): Reader => ({
  name: 'root-of-trust',
  weight: 8,
  maximumBytes: 512,
  seeds: distinct(seeds),
  ...der,
  read: (input) => {
    let irregular = 0;
    const root = readDer(input, LIST_LIMITS, (reader) => {
      const value = readRootOfTrust(reader);
      irregular = reader.irregularBooleans;
      return value;
    });
    if (!root.ok) return false;
    const { verifiedBootKey, deviceLocked, verifiedBootState, verifiedBootHash } = root.value;
    const state = STATES.indexOf(verifiedBootState);
    if (irregular > 0 || state < 0) return true;
    const again = derSequence(
      derOctetString(Buffer.from(verifiedBootKey, 'hex')),
      Buffer.of(0x01, 0x01, deviceLocked ? 0xff : 0x00),
      Buffer.of(0x0a, 0x01, state),
      verifiedBootHash === null ? Buffer.alloc(0) : derOctetString(Buffer.from(verifiedBootHash, 'hex')),
    );
    sameBytes(again, input, 'a root of trust says something else when it is written again');
    return true;
  },
});

export const applicationIdReader = (seeds: readonly Uint8Array[]): Reader => ({
  name: 'application-id',
  weight: 8,
  maximumBytes: 1024,
  seeds: distinct(seeds),
  ...der,
  read: (input) => {
    const id = parseApplicationId(input);
    if (!id.ok) return false;
    const { packages, signers } = id.value;
    const set = (elements: readonly Uint8Array[]) => elementBytes(Uint8Array.of(0x31), ...elements);
    const again = derSequence(
      set(packages.map(({ name, version }) => derSequence(derOctetString(Buffer.from(name)), derInteger(version)))),
      set(signers.map((signer) => derOctetString(Buffer.from(signer, 'hex')))),
    );
    sameBytes(again, input, 'an application id says something else when it is written again');
    return true;
  },
});

const CBOR_LIMITS = { maximumBytes: 1024, maximumDepth: 4, maximumItems: 64 };

export const provisioningReader = (seeds: readonly Uint8Array[]): Reader => ({
  name: 'provisioning',
  weight: 8,
  maximumBytes: 1100,
  seeds: distinct(seeds),
  tokens: CBOR_TOKENS,
  read: (input) => {
    const decoded = decodeCbor(input, CBOR_LIMITS);
    const info = parseProvisioningInfo(input);
    invariant(decoded.ok || !info.ok, 'provisioning information is read out of what is no CBOR');
    if (decoded.ok) sameBytes(encodeCbor(decoded.value), input, 'CBOR says something else when it is written again');
    return info.ok;
  },
});

const MAXIMUM_PEM = 65_536;

export const pemReader = (seeds: readonly Uint8Array[]): Reader => ({
  name: 'pem',
  weight: 4,
  maximumBytes: MAXIMUM_PEM,
  seeds,
  tokens: PEM_TOKENS,
  read: (input) => {
    const text = Buffer.from(input.buffer, input.byteOffset, input.length).toString('utf8');
    const blocks = decodePem(text, 'CERTIFICATE', MAXIMUM_PEM);
    if (!blocks.ok) return false;
    const again = decodePem(
      blocks.value.map((block) => encodePem('CERTIFICATE', block)).join(''),
      'CERTIFICATE',
      2 * MAXIMUM_PEM,
    );
    invariant(again.ok && again.value.length === blocks.value.length, 'PEM is not read again');
    for (const [index, block] of blocks.value.entries())
      sameBytes(again.value[index]!, block, 'PEM changes when it is read again');
    return true;
  },
});

const LIST_MAXIMUM = { maximumBytes: 4096, maximumEntries: 64 };
const FETCHED_AT = new Date(0);

export const statusListReader = (seeds: readonly Uint8Array[]): Reader => ({
  name: 'status-list',
  weight: 6,
  maximumBytes: 5000,
  seeds,
  tokens: JSON_TOKENS,
  read: (input) => {
    const list = parseStatusList(input, FETCHED_AT, LIST_MAXIMUM);
    if (!list.ok) return false;
    const { entries } = list.value;
    for (const serial of entries.keys()) {
      invariant(
        /^(?:0|[1-9a-f][0-9a-f]{0,127})$/.test(serial),
        `a serial number that no certificate is looked up by: ${serial}`,
      );
    }
    const again = parseStatusList(Buffer.from(JSON.stringify({ entries: Object.fromEntries(entries) })), FETCHED_AT, {
      ...LIST_MAXIMUM,
      maximumBytes: 65_536,
    });
    invariant(again.ok && again.value.entries.size === entries.size, 'a status list is not read again');
    return true;
  },
});
