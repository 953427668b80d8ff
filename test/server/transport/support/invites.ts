import { Metadata } from '@grpc/grpc-js';
import {
  type CreateInviteRequest,
  CreateInviteResponse,
  InviteAdminServiceClient,
  InviteAdminServiceService,
} from '../../../../src/gen/tapgate/v1/invite_admin_service.ts';
import { CallRefused } from '../../../../src/server/transport/refused.ts';
import { type ListenerService, type RunUnary, service, unary } from '../../../../src/server/transport/service.ts';
import type { ChannelTls } from '../../../../src/wire/channel.ts';
import { refusalFromError } from '../../../../src/wire/status.ts';
import { channelTo, type Edge } from './edge.ts';

export type RunInvite = RunUnary<CreateInviteRequest, CreateInviteResponse>;

/** Answers who calls. */
export const whoami: RunInvite = async (_, { caller }) =>
  CreateInviteResponse.create({ inviteId: JSON.stringify(caller) });

const notServed = async (): Promise<never> => {
  throw new CallRefused(['NOT_FOUND'], 'not served here');
};

/** A service of which one unary method is served. */
export function invites(run: RunInvite, withinMilliseconds?: number): ListenerService {
  return service(InviteAdminServiceService, {
    createInvite: unary(run, withinMilliseconds),
    listInvites: unary(notServed),
    getInvite: unary(notServed),
    withdrawInvite: unary(notServed),
  });
}

/** One unary call over a connection of its own. */
export async function ask(
  edge: Edge,
  tls: ChannelTls,
  options: { deadline?: number } = {},
): Promise<CreateInviteResponse> {
  const client = new InviteAdminServiceClient(...channelTo(edge, tls));
  const request = { acquirer: 'acme', merchant: 'shop', validForSeconds: 0, replacesDeviceId: '' };
  try {
    return await new Promise((resolve, reject) => {
      client.createInvite(request, new Metadata(), options, (error, answer) =>
        error ? reject(error) : resolve(answer),
      );
    });
  } finally {
    client.close();
  }
}

/** Status code of the failed call, and the refusal that it carries; null where it succeeded. */
export async function failureOf(promise: Promise<unknown>) {
  return promise.then(
    () => null,
    (error: { code: unknown }) => ({ ...refusalFromError(error), code: error.code }),
  );
}

/** Uses a listener and drains it. */
export async function withEdge(edge: Promise<Edge>, use: (edge: Edge) => Promise<void>): Promise<void> {
  const started = await edge;
  try {
    await use(started);
  } finally {
    await started.listener.drain(2_000);
  }
}
