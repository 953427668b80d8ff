import { createPrivateKey, createPublicKey, type KeyObject, randomBytes } from 'node:crypto';
import type { OaepHashes } from '../../payment-crypto/oaep.ts';
import { SecretBytes } from '../../payment-crypto/secret.ts';
import { derKeyDescription } from '../../payment-crypto/secure-key-wrapper/key-description.ts';
import {
  formatSecureKeyWrapper,
  openTransportKey,
  parseSecureKeyWrapper,
  type SecureKeyWrapper,
  sealKeyMaterial,
  unwrapSecureKey,
  type WrapperOpener,
  wrapSecureKey,
} from '../../payment-crypto/secure-key-wrapper/wrapper.ts';
import { hexField, type ItemChecks, type VectorFormat } from './item.ts';
import { type JsonObject, text, type VectorObject } from './json.ts';

function hashNamed(name: string | undefined, otherwise: 'sha1' | 'sha256'): 'sha1' | 'sha256' {
  if (name === undefined) return otherwise;
  return /256/.test(name) ? 'sha256' : 'sha1';
}

function privateKeyOf(fields: JsonObject, checks: ItemChecks): KeyObject | undefined {
  const key = hexField(checks, 'wrappingPrivateKeyPkcs8', text(fields, 'wrappingPrivateKeyPkcs8') ?? '');
  try {
    return key && createPrivateKey({ key, format: 'der', type: 'pkcs8' });
  } catch {
    checks.that('wrappingPrivateKeyPkcs8 is a private key', false);
    return undefined;
  }
}

function openerOf({ own, fields }: VectorObject, checks: ItemChecks): WrapperOpener | undefined {
  const wrappingKey = privateKeyOf(fields, checks);
  if (wrappingKey === undefined) return undefined;
  const hashes: OaepHashes = {
    digest: hashNamed(text(own, 'oaepDigest'), 'sha256'),
    mgf1: hashNamed(text(own, 'mgf1'), 'sha1'),
  };
  const mask = text(own, 'maskingKey');
  const maskBytes = mask === undefined ? undefined : hexField(checks, 'maskingKey', mask);
  return maskBytes === undefined
    ? { wrappingKey, hashes }
    : { wrappingKey, hashes, maskingKey: new SecretBytes(maskBytes) };
}

function checkEncoding(der: Buffer, wrapper: SecureKeyWrapper, checks: ItemChecks): void {
  checks.that('the wrapper is written as it was read', formatSecureKeyWrapper(wrapper).equals(der));
  const { keyFormat, authorizations, otherTags } = wrapper.keyDescription;
  if (otherTags.length === 0) {
    const description = derKeyDescription(keyFormat, authorizations);
    checks.that('the key description is written as it was read', description.equals(wrapper.keyDescriptionDer));
  }
}

function checkOpened(own: JsonObject, wrapper: SecureKeyWrapper, opener: WrapperOpener, checks: ItemChecks): void {
  const transportKey = checks.value('the transport key opens', openTransportKey(wrapper, opener));
  const key = checks.value('the key opens', unwrapSecureKey(wrapper, opener));
  if (transportKey === undefined || key === undefined) return;
  const expectedTransport = text(own, 'transportKey');
  if (expectedTransport !== undefined) checks.bytes('transportKey', transportKey, expectedTransport);
  const expectedKey = text(own, 'secureKey');
  if (expectedKey !== undefined) checks.bytes('secureKey', key, expectedKey);

  const sealed = sealKeyMaterial(transportKey, wrapper.initializationVector, wrapper.keyDescriptionDer, key);
  const same = sealed.encryptedKey.equals(wrapper.encryptedKey) && sealed.tag.equals(wrapper.tag);
  checks.that('the encrypted key is reproduced', same);

  const { authorizations } = wrapper.keyDescription;
  const wrappingKey = createPublicKey(opener.wrappingKey);
  const again = wrapSecureKey({ wrappingKey, key, authorizations }, { bytes: randomBytes });
  const parsed = again.ok ? parseSecureKeyWrapper(again.value) : again;
  const back = parsed.ok ? unwrapSecureKey(parsed.value, { wrappingKey: opener.wrappingKey }) : parsed;
  checks.that('a new wrapper opens to the key', back.ok && back.value.equals(key));
}

function check(object: VectorObject, checks: ItemChecks): void {
  const { own } = object;
  const der = hexField(checks, 'wrapper', text(own, 'wrapper') ?? '');
  const opener = openerOf(object, checks);
  if (der === undefined || opener === undefined) return;
  const parsed = parseSecureKeyWrapper(der);
  const refusalExpected = own.valid === false || (text(own, 'expect') ?? 'OK') !== 'OK';
  if (refusalExpected) {
    checks.refused(
      'a wrapper that does not open is refused',
      parsed.ok ? unwrapSecureKey(parsed.value, opener) : parsed,
    );
    return;
  }
  const wrapper = checks.value('the wrapper is read', parsed);
  if (wrapper === undefined) return;
  checkEncoding(der, wrapper, checks);
  checkOpened(own, wrapper, opener, checks);
}

/** Android SecureKeyWrapper with the private key that opens it. */
export const SECURE_KEY_WRAPPER: VectorFormat = {
  name: 'SecureKeyWrapper',
  matches: ({ own, fields }) =>
    text(own, 'wrapper') !== undefined && text(fields, 'wrappingPrivateKeyPkcs8') !== undefined,
  check,
};
