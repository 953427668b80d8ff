import type { SignedBytes } from '../encoding/signed.ts';
import {
  KeyConfirmation as WireConfirmation,
  KeyRequest as WireRequest,
} from '../gen/tapgate/v1/key_injection_service.ts';
import { KeyDomain, KeyTransport } from '../gen/tapgate/v1/key_transport.ts';
import type { KeyConfirmation, KeyRequest } from '../injection/exchange.ts';
import type { TransportName } from '../injection/policy.ts';
import type { TransportKeyClaim } from '../injection/transport-key.ts';
import { ok, type Result } from '../reasons/result.ts';
import { decodeMessage, exactBytes, malformed } from './decode.ts';

/** Longest transport key chain that is read. */
const MAX_CHAIN = 16;
/** Keys beside the first. */
const MAX_ALTERNATIVES = 4;

const WIRE_TRANSPORTS = {
  'key-agreement': KeyTransport.KEY_AGREEMENT,
  rsa: KeyTransport.RSA,
  'secure-import': KeyTransport.SECURE_IMPORT,
} as const satisfies Record<TransportName, KeyTransport>;

const TRANSPORTS = new Map<KeyTransport, TransportName>([
  [KeyTransport.KEY_AGREEMENT, 'key-agreement'],
  [KeyTransport.RSA, 'rsa'],
  [KeyTransport.SECURE_IMPORT, 'secure-import'],
]);

/** A transport's wire form. */
export function transportToWire(transport: TransportName): KeyTransport {
  return WIRE_TRANSPORTS[transport];
}

/** A transport out of its wire form; null for one that this service does not know. */
export function transportFromWire(transport: KeyTransport): TransportName | null {
  return TRANSPORTS.get(transport) ?? null;
}

/** Parses the signed bytes of a key request: one key a transport, of the transports that this service knows. */
export function decodeKeyRequest(
  signed: SignedBytes,
): Result<KeyRequest, 'MALFORMED_MESSAGE' | 'TRANSPORT_NOT_SUPPORTED'> {
  const decoded = decodeMessage(WireRequest, signed.payload);
  if (!decoded.ok) return decoded;
  const { transport: first, transportKeyChain, alternatives } = decoded.value;
  const nonce = exactBytes(decoded.value.nonce, 32, 'nonce');
  if (!nonce.ok) return nonce;
  if (alternatives.length > MAX_ALTERNATIVES) return malformed('alternatives');
  const transportKeys: TransportKeyClaim[] = [];
  for (const { transport: wire, chain } of [{ transport: first, chain: transportKeyChain }, ...alternatives]) {
    const transport = transportFromWire(wire);
    // An app may be newer than this service, and know transports that it does not.
    if (transport === null) continue;
    if (chain.length === 0 || chain.length > MAX_CHAIN) return malformed('transport_key_chain');
    if (transportKeys.some((key) => key.transport === transport)) return malformed('alternatives');
    transportKeys.push({ transport, chain });
  }
  if (transportKeys.length === 0) return { ok: false, reason: 'TRANSPORT_NOT_SUPPORTED' };
  return ok({ nonce: nonce.value, transportKeys, signed });
}

/** Parses the signed bytes of a key confirmation: one proof for each domain. */
export function decodeKeyConfirmation(signed: SignedBytes): Result<KeyConfirmation, 'MALFORMED_MESSAGE'> {
  const decoded = decodeMessage(WireConfirmation, signed.payload);
  if (!decoded.ok) return decoded;
  const { proofs, injectionId } = decoded.value;
  const ofPin = proofs.find((proof) => proof.domain === KeyDomain.PIN);
  const ofAccountData = proofs.find((proof) => proof.domain === KeyDomain.ACCOUNT_DATA);
  if (proofs.length !== 2 || ofPin === undefined || ofAccountData === undefined) return malformed('proofs');
  const pinCmac = exactBytes(ofPin.cmac, 16, 'proofs.cmac');
  if (!pinCmac.ok) return pinCmac;
  const accountDataCmac = exactBytes(ofAccountData.cmac, 16, 'proofs.cmac');
  if (!accountDataCmac.ok) return accountDataCmac;
  return ok({ injectionId, pinCmac: pinCmac.value, accountDataCmac: accountDataCmac.value, signed });
}
