/** `typ` of a receipt, so that no other JWS of this service passes as one. */
export const RECEIPT_TYPE = 'tapgate-receipt+jwt';
