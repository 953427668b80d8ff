import { beforeEach, describe, expect, test } from '@jest/globals';
import { offerKeys } from '../../src/injection/exchange.ts';
import type { KeyPolicy, TransportName } from '../../src/injection/policy.ts';
import type { TransportKeyClaim } from '../../src/injection/transport-key.ts';
import type { OfferRequest } from '../../src/injection/vault.ts';
import type { Reason } from '../../src/reasons/catalogue.ts';
import type { Attestation, KeyProperties } from '../support/appraiser.ts';
import { PLATFORM } from '../support/facts.ts';
import { InjectionTable, POLICY, RSA } from './table.ts';

let table: InjectionTable;

beforeEach(async () => {
  table = await InjectionTable.set();
});

describe('the transport key', () => {
  const chosen = async (keys: (nonce: Buffer) => readonly TransportKeyClaim[], policy: Partial<KeyPolicy> = {}) => {
    const nonce = await table.begun();
    const transports: TransportName[] = [];
    const recording = {
      ...table.ports,
      vault: {
        verifyKeyProof: table.vault.verifyKeyProof.bind(table.vault),
        offerKeys: (request: OfferRequest) => {
          transports.push(request.transport);
          return table.vault.offerKeys(request);
        },
      },
    };
    const request = { ...table.requestOf(nonce), transportKeys: keys(nonce) };
    const answer = await offerKeys(table.session, request, { ...POLICY, ...policy }, recording);
    return answer.ok ? transports : answer.reason;
  };

  test('is of the transport that policy names first, whichever the phone names first', async () => {
    const all = (nonce: Buffer) => [
      table.keyFor('secure-import', nonce),
      table.keyFor('rsa', nonce),
      table.keyFor('key-agreement', nonce),
    ];
    expect(await chosen(all)).toEqual(['key-agreement']);
    expect(await chosen(all, { transports: ['secure-import', 'rsa'] })).toEqual(['secure-import']);
    expect(await chosen((nonce) => [table.keyFor('secure-import', nonce)])).toEqual(['secure-import']);
  });

  test.each<[string, Partial<Attestation>]>([
    ['in software', { refused: 'ATTESTATION_SOFTWARE' }],
    ['for another purpose', { purpose: 'sign' }],
  ])('of a weaker transport is taken where the stronger one is %s', async (_what, over) => {
    const keys = (nonce: Buffer) => [table.keyFor('key-agreement', nonce, over), table.keyFor('rsa', nonce)];
    expect(await chosen(keys)).toEqual(['rsa']);
  });

  test.each<[string, Partial<Attestation>, Reason]>([
    ['revoked', { refused: 'CHAIN_REVOKED' }, 'CHAIN_REVOKED'],
    ['of another phone', { platform: { ...PLATFORM, osVersion: 150_000 } }, 'TRANSPORT_KEY_DISAGREES'],
    ['for another session', { challenge: Buffer.alloc(32) }, 'TRANSPORT_KEY_NOT_BOUND'],
  ])('that is %s is not passed over for another', async (_what, over, reason) => {
    const keys = (nonce: Buffer) => [table.keyFor('key-agreement', nonce, over), table.keyFor('rsa', nonce)];
    expect(await chosen(keys)).toBe(reason);
  });

  test('is refused for what is wrong with the strongest one', async () => {
    const keys = (nonce: Buffer) => [
      table.keyFor('rsa', nonce, { properties: { ...RSA, keySize: 2048 } }),
      table.keyFor('key-agreement', nonce, { refused: 'ATTESTATION_SOFTWARE' }),
    ];
    expect(await chosen(keys)).toBe('ATTESTATION_SOFTWARE');
  });

  test.each<[string, KeyProperties, Reason]>([
    ['shorter than policy asks', { keySize: 2048 }, 'TRANSPORT_KEY_TOO_WEAK'],
    ['of no stated size', { keySize: null }, 'TRANSPORT_KEY_TOO_WEAK'],
    ['without OAEP', { paddings: [] }, 'KEY_PROPERTIES_NOT_ALLOWED'],
    ['with PKCS #1 v1.5 beside OAEP', { paddings: [2, 4] }, 'KEY_PROPERTIES_NOT_ALLOWED'],
    ['without SHA-256', { digests: [2] }, 'KEY_PROPERTIES_NOT_ALLOWED'],
    ['without SHA-1 for MGF1', { mgfDigests: [4] }, 'KEY_PROPERTIES_NOT_ALLOWED'],
  ])('of RSA is refused %s', async (_what, properties, reason) => {
    for (const transport of ['rsa', 'secure-import'] as const) {
      expect(await chosen((nonce) => [table.keyFor(transport, nonce, { properties: { ...RSA, ...properties } })])).toBe(
        reason,
      );
    }
  });

  test.each<[string, KeyProperties, Partial<KeyPolicy>]>([
    ['of 2048 bits where policy allows them', { keySize: 2048 }, { minimumRsaBits: 2048 }],
    ['longer than policy asks', { keySize: 4096 }, {}],
    ['of Keymaster, which states nothing of MGF1', { mgfDigests: [] }, {}],
    ['that may use either digest', { digests: [2, 4], mgfDigests: [2, 4] }, {}],
  ])('of RSA is taken %s', async (_what, properties, policy) => {
    const keys = (nonce: Buffer) => [table.keyFor('rsa', nonce, { properties: { ...RSA, ...properties } })];
    expect(await chosen(keys, policy)).toEqual(['rsa']);
  });
});
