import { DeviceTokenServiceService, type JsonWebKey } from '../../gen/tapgate/v1/device_token_service.ts';
import { requireAcquirer } from '../transport/peer.ts';
import { service, unary } from '../transport/service.ts';

/** DeviceTokenService: the keys that verify device tokens and receipts. */
export function deviceTokenService(jwks: () => readonly JsonWebKey[]) {
  return service(DeviceTokenServiceService, {
    getJwks: unary(async (_request, context) => {
      requireAcquirer(context.caller);
      return { keys: [...jwks()] };
    }),
  });
}
