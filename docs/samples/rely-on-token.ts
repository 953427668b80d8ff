import { readFileSync } from 'node:fs';
import { CONTEXT, connectProcessing, createVerifier, verifySessionSignature } from '../../src/verifier/index.ts';

/** A payment as the phone sends it to processing. */
interface SignedPayment {
  readonly deviceToken: string;
  /** Exact bytes, the signature over them (ASN.1 DER) and the session key (SubjectPublicKeyInfo, DER). */
  readonly intent: Uint8Array;
  readonly signature: Uint8Array;
  readonly sessionKey: Uint8Array;
}

/** Connects to the processing listener of Tapgate as an acquirer, and says of payments whether a genuine phone sent them. */
export function connectVerifier(address: string, certificates: string, acquirer: string, issuer: string) {
  const file = (name: string) => readFileSync(`${certificates}/processing/${name}`);
  const tls = { ca: file('ca.crt'), cert: file(`${acquirer}.crt`), key: file(`${acquirer}.key`) };
  const connection = connectProcessing({ address, tls, serverName: 'localhost' });
  const verifier = createVerifier({ issuer, acquirer, jwks: connection.jwks, revocations: connection.revocations });
  return {
    ready: () => verifier.ready(10_000),
    async refusalOf(payment: SignedPayment): Promise<string | null> {
      const token = await verifier.verify(payment.deviceToken);
      if (!token.ok) return token.reason;
      const { intent, signature, sessionKey } = payment;
      const signed = verifySessionSignature(token.value, CONTEXT.paymentIntent, intent, signature, sessionKey);
      return signed.ok ? null : signed.reason;
    },
    close(): void {
      verifier.close();
      connection.close();
    },
  };
}
