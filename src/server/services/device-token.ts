import {
  DeviceTokenServiceService,
  type IntrospectResponse,
  type JsonWebKey,
} from '../../gen/tapgate/v1/device_token_service.ts';
import { refusalMessage } from '../../wire/refusal.ts';
import { requireAcquirer } from '../transport/peer.ts';
import { CallRefused } from '../transport/refused.ts';
import { serverStream, service, unary } from '../transport/service.ts';
import { type BearerPorts, bearerOf } from './bearer.ts';
import { type RevocationWatchParts, WATCH_LIMITS, watchRevocations } from './revocation-watch.ts';

/** What DeviceTokenService is made of. */
export interface DeviceTokenServiceParts {
  readonly jwks: () => readonly JsonWebKey[];
  readonly bearer: BearerPorts;
  readonly revocations: RevocationWatchParts;
}

/** DeviceTokenService: what processing needs to rely on device tokens. */
export function deviceTokenService({ jwks, bearer, revocations }: DeviceTokenServiceParts) {
  return service(DeviceTokenServiceService, {
    getJwks: unary(async (_request, context) => {
      requireAcquirer(context.caller);
      return { keys: [...jwks()] };
    }),
    introspect: unary(async ({ deviceToken }, context) => {
      const acquirer = requireAcquirer(context.caller);
      if (deviceToken === '') throw new CallRefused(['MALFORMED_MESSAGE'], 'device_token');
      return introspect(deviceToken, acquirer, bearer);
    }),
    watchRevocations: serverStream(
      (request, answers, context) => watchRevocations(request, requireAcquirer(context.caller), answers, revocations),
      WATCH_LIMITS,
    ),
  });
}

async function introspect(token: string, acquirer: string, ports: BearerPorts): Promise<IntrospectResponse> {
  const bearer = await bearerOf(token, ports, acquirer);
  if (!bearer.ok) {
    const refusal = refusalMessage('partner', [bearer.reason]);
    return { active: false, refusal, deviceId: '', merchant: '', expiresAt: undefined, sessionKeyThumbprint: '' };
  }
  const { session, validUntil } = bearer.value;
  return {
    active: true,
    refusal: undefined,
    deviceId: session.deviceId,
    merchant: session.merchant,
    expiresAt: validUntil,
    sessionKeyThumbprint: session.thumbprint,
  };
}
