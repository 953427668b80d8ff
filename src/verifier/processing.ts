import {
  DeviceTokenServiceClient,
  type TokenRevocation,
  TokenRevocationReason,
  type WatchRevocationsResponse,
} from '../gen/tapgate/v1/device_token_service.ts';
import type { Revocation, RevocationReason } from '../tokens/revocation.ts';
import { callUnary } from '../wire/call.ts';
import { type ChannelTls, channelCredentials, channelOptions } from '../wire/channel.ts';
import { refusalFromError } from '../wire/status.ts';
import type { JwksSource } from './jwks.ts';
import type { RevocationSource, RevocationUpdate, WatchEnd } from './revocation-keeper.ts';

/** Where the processing listener is, and how processing proves who it is. */
export interface ProcessingAddress {
  /** `host:port`. */
  readonly address: string;
  /** The listener's authority, and the acquirer's client certificate and key, PEM. */
  readonly tls: ChannelTls;
  /** Name in the listener's certificate, where it is not the host of the address. */
  readonly serverName?: string;
}

/** A connection to DeviceTokenService: what a verifier is fed by. */
export interface ProcessingConnection {
  readonly jwks: JwksSource;
  readonly revocations: RevocationSource;
  close(): void;
}

const CALL_WITHIN = 5_000;

const REASONS = new Map<TokenRevocationReason, RevocationReason>([
  [TokenRevocationReason.DEVICE_SUSPENDED, 'DEVICE_SUSPENDED'],
  [TokenRevocationReason.DEVICE_REVOKED, 'DEVICE_REVOKED'],
]);

/** Connects with mutual TLS; the connection is made when it is needed, and again after a loss. */
export function connectProcessing({ address, tls, serverName }: ProcessingAddress): ProcessingConnection {
  const options = channelOptions({
    keepaliveMilliseconds: 10_000,
    ...(serverName !== undefined && { serverName }),
  });
  const client = new DeviceTokenServiceClient(address, channelCredentials(tls), options);
  return {
    jwks: async () => (await callUnary(client.getJwks.bind(client), {}, CALL_WITHIN)).keys,
    revocations: { watch: (cursor, tell) => watch(client, cursor, tell) },
    close: () => client.close(),
  };
}

const watch = (
  client: DeviceTokenServiceClient,
  cursor: string,
  tell: Parameters<RevocationSource['watch']>[1],
): (() => void) => {
  const stream = client.watchRevocations({ cursor });
  let left = false;
  const end = (how: WatchEnd): void => {
    if (left) return;
    left = true;
    stream.cancel();
    tell.end(how);
  };
  stream.on('data', (message: WatchRevocationsResponse) => {
    if (left) return;
    const update = updateOf(message);
    if (update === null) end({ kind: 'cut', error: new Error('a revocation without device or instant') });
    else tell.update(update);
  });
  stream.on('error', (error: unknown) => end(endOf(error)));
  stream.on('end', () => end({ kind: 'ended' }));
  return () => {
    left = true;
    stream.cancel();
  };
};

function endOf(error: unknown): WatchEnd {
  const reasons = refusalFromError(error)?.reasons ?? [];
  const reset = reasons.includes('REVOCATION_FEED_RESET') || reasons.includes('REVOCATION_CURSOR_INVALID');
  return reset ? { kind: 'reset' } : { kind: 'cut', error };
}

function updateOf(message: WatchRevocationsResponse): RevocationUpdate | null {
  const entries = message.entries.map(revocationOf);
  if (!entries.every((entry) => entry !== null)) return null;
  const { cursor, heartbeatSeconds, maximumStalenessSeconds } = message;
  return { entries, cursor, asOf: message.asOf ?? null, heartbeatSeconds, maximumStalenessSeconds };
}

/** A reason that a newer service may give revokes as well. */
function revocationOf({ deviceId, revokedAt, reason }: TokenRevocation): Revocation | null {
  if (deviceId === '' || revokedAt === undefined) return null;
  return { deviceId, revokedAt, reason: REASONS.get(reason) ?? 'SESSION_ENDED' };
}
