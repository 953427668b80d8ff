import { AttestationServiceClient } from '../../gen/tapgate/v1/attestation_service.ts';
import { KeyInjectionServiceClient } from '../../gen/tapgate/v1/key_injection_service.ts';
import { PinEntryServiceClient } from '../../gen/tapgate/v1/pin_entry_service.ts';
import { SessionServiceClient } from '../../gen/tapgate/v1/session_service.ts';
import { channelCredentials, channelOptions } from '../../wire/channel.ts';

/** A phone's connection to the device listener. */
export interface DeviceConnection {
  readonly attestation: AttestationServiceClient;
  readonly injection: KeyInjectionServiceClient;
  readonly session: SessionServiceClient;
  readonly pinEntry: PinEntryServiceClient;
  close(): void;
}

/** Connects to the device listener at `host:port`, trusting the authorities in `ca` (PEM). */
export function connectDevice(address: string, ca: string | Buffer): DeviceConnection {
  const credentials = channelCredentials({ ca });
  const options = channelOptions({ ownConnection: true });
  const attestation = new AttestationServiceClient(address, credentials, options);
  const injection = new KeyInjectionServiceClient(address, credentials, options);
  const session = new SessionServiceClient(address, credentials, options);
  const pinEntry = new PinEntryServiceClient(address, credentials, options);
  return {
    attestation,
    injection,
    session,
    pinEntry,
    close: () => {
      for (const client of [attestation, injection, session, pinEntry]) client.close();
    },
  };
}
