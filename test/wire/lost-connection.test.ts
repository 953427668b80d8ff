import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import {
  type OpenRequest,
  type OpenResponse,
  SessionServiceClient,
  SessionServiceService,
} from '../../src/gen/tapgate/v1/session_service.ts';
import { conversation, service } from '../../src/server/transport/service.ts';
import { ClientConversation, channelCredentials, channelOptions } from '../../src/wire/channel.ts';
import { Certificates, startEdge } from '../server/transport/support/edge.ts';
import { directive, opening } from '../server/transport/support/session.ts';
import { Network } from '../support/network.ts';

const WITHIN = { withinMilliseconds: 8_000 };
const STREAMS = 8;

let certificates: Certificates;
beforeAll(async () => {
  certificates = await Certificates.make();
});
afterAll(() => certificates.remove());

/** Answers each message with one of its own. */
const echo = service(SessionServiceService, {
  open: conversation<OpenRequest, OpenResponse>(async (stream) => {
    while ((await stream.next()) !== null) await stream.send(directive('heard'));
  }),
});

async function endOf(stream: ClientConversation<OpenRequest, OpenResponse>): Promise<unknown> {
  try {
    while ((await stream.next(WITHIN)) !== null);
    return null;
  } catch (error) {
    return error;
  }
}

/** What a stream answers, begun again while the connection is on its way out. */
async function answerOf(client: SessionServiceClient): Promise<OpenResponse | null> {
  for (let attempt = 1; ; attempt += 1) {
    const stream = new ClientConversation(client.open());
    try {
      await stream.send(opening);
      const answer = await stream.next(WITHIN);
      stream.close();
      expect(await stream.next(WITHIN)).toBeNull();
      return answer;
    } catch (error) {
      if (attempt === 10) throw error;
    }
  }
}

test('streams that share a connection end when it is reset while they write, and others begin on a new one', async () => {
  const edge = await startEdge(certificates, 'device', [echo]);
  const network = await Network.to(edge.listener.address.port);
  const options = channelOptions({ ownConnection: true });
  const client = new SessionServiceClient(
    network.address,
    channelCredentials(await certificates.client('device')),
    options,
  );
  const streams = Array.from({ length: STREAMS }, () => new ClientConversation(client.open()));
  for (const stream of streams) {
    await stream.send(opening);
    expect(await stream.next(WITHIN)).toEqual(directive('heard'));
  }
  network.hold('service');
  for (const [at, stream] of streams.entries()) {
    await stream.send(opening);
    await network.holds(at + 1);
  }
  // Each write waits for the one before it, so that there is something to write after every answer.
  for (const stream of streams) for (let message = 1; message <= 4; message += 1) void stream.send(opening);
  await new Promise<void>((resolve) => process.nextTick(resolve));
  network.deliverAndReset();
  for (const end of await Promise.all(streams.map(endOf))) expect(end).toMatchObject({ code: status.UNAVAILABLE });
  expect(await answerOf(client)).toEqual(directive('heard'));
  client.close();
  await edge.listener.drain(1_000);
  await network.close();
}, 30_000);
