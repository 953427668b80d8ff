import { panFitsApplication } from '../../emv/brand.ts';
import { readElements } from '../../emv/elements.ts';
import { selectedScheme } from '../../emv/scheme.ts';
import type { ApprovalClaims } from '../../gate/receipt.ts';
import type { AuthorizePaymentAnswer, AuthorizePaymentCall } from '../../gen/tapgate/vault/v1/vault_service.ts';
import type { Pan } from '../../payment-crypto/pin-block/pan.ts';
import { translatePin } from '../../payment-crypto/pin-block/translation.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { type OpenedAccountData, openAccountData, wipeAccountData } from '../account-data.ts';
import { GCM_IV_BYTES, sealGcm } from '../gcm.ts';
import type { KeyUse, VaultKeys } from '../keys.ts';
import type { VaultPorts } from '../ports.ts';
import { type BdkFault, bdkRefusal, locateKsn, workingKeyAt } from '../working-key.ts';
import { cardReference } from './card-reference.ts';
import { grantLineage, readApprovalClaims, signApproval } from './receipt.ts';
import { type VerifiedPayment, verifyPayment } from './verify-payment.ts';

/**
 * Translates a payment for its acquirer: account data under the zone data key, the PIN block under the zone PIN key, a
 * reference of the card, and a signed receipt where claims for one are given. Refuses with CARD_BRAND_MISMATCH where the
 * PAN is of another scheme than the card's application: nobody else sees both.
 *
 * With claims it is a new decision: the keys of grant and phone serve, and by the vault's clock the grant lives. Without, an
 * approval is given again: keys that are retired do for that, and no time is looked at.
 *
 * Nothing is opened before grant, intent, destination and claims are verified here. The clear PIN exists inside one
 * call of `translatePin` only, the clear account data inside this one; both are wiped before the answer.
 */
export function authorizePayment(
  call: AuthorizePaymentCall,
  keys: VaultKeys,
  ports: VaultPorts,
): Result<AuthorizePaymentAnswer> {
  const isRepeat = call.receiptClaims === '';
  const use: KeyUse = isRepeat ? 'verifiesRepeats' : 'serves';
  const payment = verifyPayment(call, keys, use);
  if (!payment.ok) return payment;
  const claims = isRepeat ? ok(null) : readApprovalClaims(call.receiptClaims, payment.value, ports);
  if (!claims.ok) return claims;
  const { intent, tapGrantHash } = payment.value;
  const accountData = openAccountData(intent.accountData, tapGrantHash, keys, use);
  if (!accountData.ok) return accountData;
  try {
    return translate(payment.value, accountData.value, claims.value, keys, use, ports);
  } finally {
    wipeAccountData(accountData.value);
  }
}

function translate(
  payment: VerifiedPayment,
  { tlv, pan }: OpenedAccountData,
  claims: ApprovalClaims | null,
  keys: VaultKeys,
  use: KeyUse,
  ports: VaultPorts,
): Result<AuthorizePaymentAnswer> {
  const { zone, intentHash, grant, grantKeyId } = payment;
  const brand = checkBrand(payment.intent.emvData, pan);
  if (!brand.ok) return brand;
  const pinBlock = translatePinBlock(payment, pan, keys, use, ports);
  if (!pinBlock.ok) return pinBlock;
  const iv = ports.random.bytes(GCM_IV_BYTES);
  const reference = cardReference(pan, keys.cardReference);
  const pin = pinBlock.value.length > 0;
  const lineage = {
    ...grantLineage(grant, grantKeyId),
    zone_data: zone.data.keyId,
    ...(pin && { zone_pin: zone.pin.keyId }),
  };
  return ok({
    receipt: claims === null ? '' : signApproval(claims, { cardReference: reference, pin, keys: lineage }, keys),
    zoneDataKeyId: zone.data.keyId,
    zoneDataInitializationVector: iv,
    zoneDataCiphertext: tlv.use((clear) => sealGcm(zone.data.key, iv, intentHash, clear)),
    zonePinKeyId: pin ? zone.pin.keyId : '',
    zonePinBlock: pinBlock.value,
    cardReference: reference,
  });
}

/**
 * Compares the PAN's issuer with the scheme and name of the application that the card was selected by. Nothing else of the
 * ICC data is judged here, so that an approval is translated again whatever rules the gate has come to have since.
 */
function checkBrand(emvData: Uint8Array, pan: Pan): Result<null> {
  const icc = readElements(emvData);
  if (!icc.ok) return icc;
  const scheme = selectedScheme(icc.value);
  if (!scheme.ok) return scheme;
  const name = icc.value.get('84') ?? Buffer.alloc(0);
  return pan.use((digits) => panFitsApplication(scheme.value, name, digits)) ? ok(null) : refuse('CARD_BRAND_MISMATCH');
}

/** The PIN block under the zone PIN key, format 4 to format 4 with new random fill; empty where there is none. */
function translatePinBlock(
  { grant, pinBlock, zone }: VerifiedPayment,
  pan: Pan,
  keys: VaultKeys,
  use: KeyUse,
  ports: VaultPorts,
): Result<Buffer, 'PIN_BLOCK_MALFORMED' | Exclude<BdkFault, 'BDK_UNKNOWN'>> {
  if (pinBlock === null) return ok(Buffer.alloc(0));
  const ksn = locateKsn(grant.pinKsn, 'pin', keys, use);
  if (!ksn.ok) return bdkRefusal(ksn, 'PIN_BLOCK_MALFORMED', 'KSN');
  const key = workingKeyAt(ksn.value, 'pinEncryption');
  try {
    const from = { format: 4, key, pan } as const;
    const translated = translatePin(pinBlock, from, { format: 4, key: zone.pin.key, pan }, ports.random);
    return translated.ok ? translated : refuse('PIN_BLOCK_MALFORMED');
  } finally {
    key.wipe();
  }
}
