import type { ExchangeRequest, ExchangeResponse } from '../gen/tapgate/vault/v1/vault_service.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import type { Custodian } from './keystore/custodian.ts';
import { classOf, type VaultLog } from './log.ts';
import { authorizePayment } from './operations/authorize-payment.ts';
import { checkPinBlock } from './operations/check-pin-block.ts';
import { describeKeys } from './operations/describe-keys.ts';
import { exportKey } from './operations/export-key.ts';
import { importKey } from './operations/import-key.ts';
import { changeKeyState, generateKey, listKeys } from './operations/key-slots.ts';
import { offerKeys } from './operations/offer-keys.ts';
import { shuffleLayout } from './operations/shuffle-layout.ts';
import { signCheckpoint } from './operations/sign-checkpoint.ts';
import { signDeviceToken } from './operations/sign-device-token.ts';
import { signGrant } from './operations/sign-grant.ts';
import { signPinGrant } from './operations/sign-pin-grant.ts';
import { signRefusal } from './operations/sign-refusal.ts';
import { requestTr34Key, tr34Credential } from './operations/tr34.ts';
import { verifyKeyProof } from './operations/verify-key-proof.ts';
import { TokenError } from './pkcs11/token-error.ts';
import type { VaultPorts } from './ports.ts';

type Answer = NonNullable<ExchangeResponse['answer']>;
type ValueOf<Case extends Answer['$case']> = Extract<Answer, { $case: Case }>['value'];

/** An operation's result as the answer of a case. */
function answered<Case extends Answer['$case']>($case: Case, result: Result<ValueOf<Case>>): Result<Answer> {
  // The compiler does not follow that a case and its own value make one member of the union.
  return result.ok ? ok({ $case, value: result.value } as Answer) : result;
}

function operate({ call }: ExchangeRequest, custodian: Custodian, ports: VaultPorts): Result<Answer> {
  const { keys } = custodian;
  switch (call?.$case) {
    case 'describeKeys':
      return answered('describeKeys', ok(describeKeys(call.value, keys)));
    case 'signDeviceToken':
      return answered('signDeviceToken', signDeviceToken(call.value, keys, ports));
    case 'signGrant':
      return answered('signed', signGrant(call.value, keys, ports));
    case 'signPinGrant':
      return answered('signed', signPinGrant(call.value, keys, ports));
    case 'offerKeys':
      return answered('offerKeys', offerKeys(call.value, keys, ports, custodian.ledger));
    case 'verifyKeyProof':
      return answered('verifyKeyProof', verifyKeyProof(call.value, keys));
    case 'shuffleLayout':
      return answered('shuffleLayout', ok(shuffleLayout(ports.random)));
    case 'checkPinBlock':
      return answered('checkPinBlock', checkPinBlock(call.value, keys, ports));
    case 'authorizePayment':
      return answered('authorizePayment', authorizePayment(call.value, keys, ports));
    case 'signRefusal':
      return answered('signRefusal', signRefusal(call.value, keys, ports));
    case 'signCheckpoint':
      return answered('signed', signCheckpoint(call.value, keys, ports, custodian.checkpoints));
    case 'listKeys':
      return answered('listKeys', listKeys(call.value, custodian));
    case 'generateKey':
      return answered('generateKey', generateKey(call.value, custodian));
    case 'changeKeyState':
      return answered('changeKeyState', changeKeyState(call.value, custodian));
    case 'importKey':
      return answered('importKey', importKey(call.value, custodian, ports));
    case 'exportKey':
      return answered('exportKey', exportKey(call.value, custodian, ports));
    case 'tr34Credential':
      return answered('tr34Credential', tr34Credential(call.value, custodian));
    case 'requestTr34Key':
      return answered('requestTr34Key', requestTr34Key(call.value, custodian, ports));
    default:
      return refuse('MALFORMED_MESSAGE', 'no call');
  }
}

/**
 * Answers one call. A refusal is answered by its code alone; its detail goes to the log. An exception is a bug of the
 * vault: VAULT_UNAVAILABLE is answered, and its class alone is logged. So it is for a token that was lost, with what it said.
 */
export function dispatch(
  request: ExchangeRequest,
  custodian: Custodian,
  ports: VaultPorts,
  log: VaultLog,
): ExchangeResponse {
  const operation = request.call?.$case ?? 'none';
  try {
    const result = operate(request, custodian, ports);
    if (result.ok) return { id: request.id, answer: result.value };
    log('refused', { operation, reason: result.reason, ...(result.detail !== undefined && { detail: result.detail }) });
    return { id: request.id, answer: { $case: 'refused', value: result.reason } };
  } catch (exception) {
    if (exception instanceof TokenError) {
      log('token unavailable', { operation, detail: exception.detail });
      return { id: request.id, answer: { $case: 'refused', value: 'VAULT_UNAVAILABLE' } };
    }
    log('failed', { operation, exception: classOf(exception) });
    return { id: request.id, answer: { $case: 'refused', value: 'VAULT_UNAVAILABLE' } };
  }
}
