import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { connectVerifier } from '../../docs/samples/rely-on-token.ts';
import { CONTEXT } from '../../src/encoding/signed.ts';
import { connectProcessing, createVerifier } from '../../src/verifier/index.ts';
import { ISSUER, TokenTable } from '../server/services/support.ts';
import { Certificates, type Edge } from '../server/transport/support/edge.ts';

const ROOT = join(import.meta.dirname, '../..');

test('the document shows the sample that is run here', async () => {
  const sample = await readFile(join(ROOT, 'docs/samples/rely-on-token.ts'), 'utf8');
  const document = await readFile(join(ROOT, 'docs/integration-processing.md'), 'utf8');
  expect(document).toContain(`\`\`\`ts\n${sample}\`\`\``);
});

describe('with a service', () => {
  let certificates: Certificates;
  let table: TokenTable;
  let edge: Edge;
  beforeAll(async () => {
    certificates = await Certificates.make();
    table = new TokenTable();
    await table.follower.start();
    edge = await table.serve(certificates);
  });
  afterAll(async () => {
    await edge.listener.drain(500);
    await table.follower.stop();
    await certificates.remove();
  });

  test('the sample says which payment a genuine phone sent', async () => {
    const phone = await table.enrol();
    const verifier = connectVerifier(`127.0.0.1:${edge.listener.address.port}`, certificates.directory, 'acme', ISSUER);
    expect(await verifier.ready()).toBe(true);
    const intent = Buffer.from('the exact bytes of an intent');
    const { signature } = phone.sessionKey.sign(CONTEXT.paymentIntent, intent);
    const payment = {
      deviceToken: table.tokenOf(phone, 'acme'),
      intent,
      signature,
      sessionKey: phone.sessionKey.spki,
    };
    expect(await verifier.refusalOf(payment)).toBeNull();
    expect(await verifier.refusalOf({ ...payment, intent: Buffer.from('another') })).toBe('SESSION_KEY_MISMATCH');
    expect(await verifier.refusalOf({ ...payment, deviceToken: table.tokenOf(phone, 'umbra') })).toBe(
      'TOKEN_AUDIENCE_MISMATCH',
    );
    table.publish('acme', phone.deviceId);
    await untilRefused(() => verifier.refusalOf(payment), 'TOKEN_REVOKED');
    verifier.close();
  });

  test('a verifier comes through a restart of the service, and through a restored database', async () => {
    const tls = await certificates.client('processing', 'processing/acme');
    const address = `127.0.0.1:${edge.listener.address.port}`;
    const connection = connectProcessing({ address, tls, serverName: 'localhost' });
    const cuts: string[] = [];
    const verifier = createVerifier({
      issuer: ISSUER,
      acquirer: 'acme',
      jwks: connection.jwks,
      revocations: connection.revocations,
      onEvent: (event) => event.kind === 'revocations-cut' && cuts.push(event.cause),
    });
    expect(await verifier.ready(10_000)).toBe(true);
    const phones = await Promise.all([table.enrol(), table.enrol()]);
    const [one, two] = phones.map((phone) => table.tokenOf(phone, 'acme'));
    const refusalOf = async (token = '') => {
      const verified = await verifier.verify(token);
      return verified.ok ? null : verified.reason;
    };
    const { port } = edge.listener.address;
    await edge.listener.drain(500);
    const restore = table.feed.backup();
    table.publish('acme', phones[0].deviceId);
    edge = await table.serve(certificates, port);
    await untilRefused(() => refusalOf(one), 'TOKEN_REVOKED');
    restore();
    await table.follower.refresh();
    table.publish('acme', phones[1].deviceId);
    await untilRefused(() => refusalOf(two), 'TOKEN_REVOKED');
    expect(await refusalOf(one)).toBe('TOKEN_REVOKED');
    expect(cuts).toContain('reset');
    verifier.close();
    connection.close();
  });
});

/** Asks until the refusal comes; the test's own time ends it where it does not. */
async function untilRefused(ask: () => Promise<string | null>, reason: string): Promise<void> {
  while ((await ask()) !== reason) await new Promise((resolve) => setTimeout(resolve, 20));
}
