import type { SignedBytes } from '../encoding/signed.ts';
import {
  KeyConfirmation as WireConfirmation,
  KeyRequest as WireRequest,
} from '../gen/tapgate/v1/key_injection_service.ts';
import { KeyDomain, KeyTransport } from '../gen/tapgate/v1/key_transport.ts';
import type { KeyConfirmation, KeyRequest } from '../injection/exchange.ts';
import type { TransportName } from '../injection/policy.ts';
import { ok, type Result } from '../reasons/result.ts';
import { decodeMessage, exactBytes, malformed } from './decode.ts';

/** Longest transport key chain that is read. */
const MAX_CHAIN = 16;

/** A transport's wire form. */
export function transportToWire(transport: TransportName): KeyTransport {
  const forms: Readonly<Record<TransportName, KeyTransport>> = { 'key-agreement': KeyTransport.KEY_AGREEMENT };
  return forms[transport];
}

/** A transport out of its wire form; null for one that this service does not know. */
export function transportFromWire(transport: KeyTransport): TransportName | null {
  return transport === KeyTransport.KEY_AGREEMENT ? 'key-agreement' : null;
}

/** Parses the signed bytes of a key request. */
export function decodeKeyRequest(
  signed: SignedBytes,
): Result<KeyRequest, 'MALFORMED_MESSAGE' | 'TRANSPORT_NOT_SUPPORTED'> {
  const decoded = decodeMessage(WireRequest, signed.payload);
  if (!decoded.ok) return decoded;
  const nonce = exactBytes(decoded.value.nonce, 32, 'nonce');
  if (!nonce.ok) return nonce;
  const transport = transportFromWire(decoded.value.transport);
  if (transport === null) return { ok: false, reason: 'TRANSPORT_NOT_SUPPORTED' };
  const chain = decoded.value.transportKeyChain;
  if (chain.length === 0 || chain.length > MAX_CHAIN) return malformed('transport_key_chain');
  return ok({ nonce: nonce.value, transport, transportKeyChain: chain, signed });
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
