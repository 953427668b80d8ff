import {
  DirectiveKind,
  type OpenRequest,
  type OpenResponse,
  SessionServiceClient,
  SessionServiceService,
} from '../../../../src/gen/tapgate/v1/session_service.ts';
import type { ConversationLimits } from '../../../../src/server/transport/limits.ts';
import type { ListenerOptions } from '../../../../src/server/transport/listener.ts';
import { conversation, type RunConversation, service } from '../../../../src/server/transport/service.ts';
import { ClientConversation } from '../../../../src/wire/channel.ts';
import { type Certificates, channelTo, type Edge, startEdge } from './edge.ts';

export type RunSession = RunConversation<OpenRequest, OpenResponse>;
export type SessionStream = ClientConversation<OpenRequest, OpenResponse>;

export const opening: OpenRequest = { message: { $case: 'open', value: { deviceToken: 'a' } } };

export const directive = (reason: string): OpenResponse => ({
  message: { $case: 'directive', value: { kind: DirectiveKind.SUSPEND, reason, at: undefined, detail: '' } },
});

/** A client of a running session service. */
export interface SessionClient {
  readonly edge: Edge;
  readonly raw: SessionServiceClient;
  open(): SessionStream;
}

/** Runs `use` against a device listener whose session service is `run`, and drains it. */
export async function withSession(
  certificates: Certificates,
  run: RunSession,
  limits: Partial<ConversationLimits>,
  use: (client: SessionClient) => Promise<void>,
  more: Partial<ListenerOptions> = {},
): Promise<void> {
  const services = [service(SessionServiceService, { open: conversation(run, limits) })];
  const edge = await startEdge(certificates, 'device', services, more);
  const raw = new SessionServiceClient(...channelTo(edge, await certificates.client('device')));
  try {
    await use({ edge, raw, open: () => new ClientConversation(raw.open()) });
  } finally {
    raw.close();
    await edge.listener.drain(2_000);
  }
}
