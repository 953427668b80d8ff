import {
  type ExportKeyRequest,
  type ExportKeyResponse,
  type GetTr34CredentialRequest,
  type GetTr34CredentialResponse,
  type ImportKeyRequest,
  type ImportKeyResponse,
  type RequestTr34KeyRequest,
  type RequestTr34KeyResponse,
  Tr34Role as WireRole,
} from '../../gen/tapgate/v1/key_admin_service.ts';
import type { KeySlot as WireSlot } from '../../gen/tapgate/v1/key_slot.ts';
import type { IncomingKey, KeyCustody, ShownSlot, Tr34Bound, Tr34Role } from '../../keys/custody.ts';
import type { SlotSeries } from '../../keys/slots.ts';
import type { CallContext } from '../transport/context.ts';
import { requireRole } from '../transport/peer.ts';
import { CallRefused, orRefuse } from '../transport/refused.ts';

/** What the calls by which keys come in and go out are made of. */
export interface KeyExchangeParts {
  readonly custody: KeyCustody;
  readonly look: () => Promise<boolean>;
  readonly seriesOf: (kind: string, acquirer: string) => SlotSeries;
  readonly shown: (slot: ShownSlot) => WireSlot;
}

const KEEPERS = ['security'];

/** Longest key block (X9.143 6.2), and largest token or revocation list: they fit into a message of the listener. */
const MAX_BLOCK = 9_999;
const MAX_DER = 49_152;

function malformed(field: string): never {
  throw new CallRefused(['MALFORMED_MESSAGE'], field);
}

function requireBounded(bytes: Uint8Array, field: string): void {
  if (bytes.length > MAX_DER) malformed(`${field}: over ${MAX_DER} bytes`);
}

function sourceOf({ source }: ImportKeyRequest): IncomingKey['source'] {
  switch (source?.$case) {
    case 'keyBlock':
      return source.value.length <= MAX_BLOCK
        ? { keyBlock: source.value }
        : malformed(`key block: over ${MAX_BLOCK} characters`);
    case 'tr34KeyToken':
      requireBounded(source.value, 'key token');
      return { tr34KeyToken: source.value };
    default:
      return malformed('source');
  }
}

function roleOf(role: WireRole): Tr34Role {
  if (role === WireRole.DEVICE) return 'device';
  return role === WireRole.HOST ? 'host' : malformed('role');
}

function endOf({ fingerprint, notAfter }: Tr34Bound) {
  return { fingerprint, notAfter };
}

/** The calls of KeyAdminService by which keys come in and go out: the vault opens and seals, this side passes on. */
export function keyExchange({ custody, look, seriesOf, shown }: KeyExchangeParts) {
  return {
    importKey: async (request: ImportKeyRequest, context: CallContext): Promise<ImportKeyResponse> => {
      const { person } = requireRole(context.caller, KEEPERS);
      const { kind, acquirer, tolerate, keyCheckValue } = request;
      const incoming = { series: seriesOf(kind, acquirer), source: sourceOf(request), tolerate, keyCheckValue };
      const { slot, tolerated } = orRefuse(await custody.importKey(incoming, person));
      await look();
      const told = { slot: slot.id, kind, acquirer, by: person, enteredBy: slot.enteredBy, tolerated };
      context.logger.warn(told, 'key taken in');
      return { slot: shown(slot), tolerated: [...tolerated] };
    },
    exportKey: async (request: ExportKeyRequest, context: CallContext): Promise<ExportKeyResponse> => {
      const { person } = requireRole(context.caller, KEEPERS);
      const { slotId, tr34, tolerate } = request;
      if (tr34 !== undefined) {
        requireBounded(tr34.randomNumberToken, 'random number token');
        requireBounded(tr34.revocationList, 'revocation list');
        requireBounded(tr34.deviceRevocationList, "device's revocation list");
      }
      const exported = orRefuse(await custody.exportKey(slotId, tr34 ?? null, tolerate, person));
      const { slot, keyBlock, tr34KeyToken, tolerated } = exported;
      const form = keyBlock === '' ? 'tr-34' : 'key-block';
      context.logger.warn({ slot: slot.id, kind: slot.kind, by: person, form, tolerated }, 'key given out');
      return { slot: shown(slot), keyBlock, tr34KeyToken, tolerated: [...tolerated] };
    },
    getTr34Credential: async (
      { acquirer, role, revocationList }: GetTr34CredentialRequest,
      context: CallContext,
    ): Promise<GetTr34CredentialResponse> => {
      requireRole(context.caller, KEEPERS);
      requireBounded(revocationList, 'revocation list');
      const { token, own, bound } = orRefuse(await custody.tr34Credential(acquirer, roleOf(role), revocationList));
      return { credentialToken: token, own: endOf(own), bound: endOf(bound) };
    },
    requestTr34Key: async (
      { acquirer }: RequestTr34KeyRequest,
      context: CallContext,
    ): Promise<RequestTr34KeyResponse> => {
      const { person } = requireRole(context.caller, KEEPERS);
      const { randomNumberToken, expiresAt } = orRefuse(await custody.requestTr34Key(acquirer));
      context.logger.info({ acquirer, by: person, expiresAt }, 'key token expected');
      return { randomNumberToken, expiresAt };
    },
  };
}
