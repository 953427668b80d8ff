import { expect, test } from '@jest/globals';
import { KeyTransport } from '../../src/gen/tapgate/v1/key_transport.ts';
import { ExchangeRequest } from '../../src/gen/tapgate/vault/v1/vault_service.ts';
import { MessageWriter } from '../../src/vault/message-writer.ts';

const message = (id: bigint, claims: string): ExchangeRequest => ({
  id,
  call: { $case: 'signDeviceToken', value: { claims } },
});

test('messages are serialised one after the other, each by itself and in bytes of its own', () => {
  const writer = new MessageWriter(ExchangeRequest);
  const messages = [message(1n, 'x'.repeat(5_000)), message(2n, ''), message(3n, 'ä'.repeat(200))];
  const written = messages.map((one) => writer.bytesOf(one));
  expect(written.map((bytes) => ExchangeRequest.decode(bytes))).toEqual(messages);
  expect(written).toEqual(messages.map((one) => ExchangeRequest.encode(one).finish()));
});

test('one that has no serialisation leaves nothing of itself before the next', () => {
  const writer = new MessageWriter(ExchangeRequest);
  const offer = {
    injectionId: 'injection',
    deviceId: '',
    acquirer: '',
    sessionKeyThumbprint: '',
    transport: KeyTransport.KEY_AGREEMENT,
    transportPublicKey: Buffer.alloc(0),
    nonce: Buffer.alloc(0),
    pinInitialKeyId: Buffer.alloc(0),
    accountDataInitialKeyId: Buffer.alloc(0),
    expiresAt: 1n << 70n,
  };
  expect(() => writer.bytesOf({ id: 1n, call: { $case: 'offerKeys', value: offer } })).toThrow();
  expect(ExchangeRequest.decode(writer.bytesOf(message(2n, 'next')))).toEqual(message(2n, 'next'));
});
