import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { anchorOf, BareExchanges, makeChecks } from '../../../bench/devices/cryptography.ts';
import { type EndedExchange, PhonePreparation } from '../../../bench/devices/phones.ts';
import { PreparedKey } from '../../../bench/devices/prepared-key.ts';
import { attestationTranscript } from '../../../src/encoding/contexts.ts';
import { CONTEXT } from '../../../src/encoding/signed.ts';
import { Hello } from '../../../src/gen/tapgate/v1/attestation_service.ts';
import { createVirtualFactory } from '../../../src/virtual/keymint/factory.ts';
import { honestProfiles } from '../../../src/virtual/keymint/profiles.ts';
import { signFor } from '../../../src/virtual/phone/memory.ts';

const NOW = new Date('2026-09-01T12:00:00Z');
const clock = { now: () => NOW };
const factory = createVirtualFactory(clock);
const POSTURE = Buffer.from('posture');

/** An exchange as it ends, of a phone that enrols or of one that has enrolled. */
function ended(phone: EndedExchange['phone'], kind: 'enrolment' | 'renewal'): EndedExchange {
  const challenge = randomBytes(32);
  const session = PreparedKey.generate(phone.keymint, randomBytes(32));
  const transcript = attestationTranscript(challenge, session.publicKey);
  const signed = Buffer.concat([transcript, POSTURE]);
  return {
    phone,
    transcript,
    sessionKey: session.publicKey,
    token: 'head.claims.signature',
    evidence: {
      sessionKeyChain: session.chainFor(challenge),
      deviceKeyChain: kind === 'enrolment' ? phone.deviceKey.chainFor(challenge) : [],
      sessionSignature: Buffer.from(signFor(CONTEXT.evidence, signed, session.privateKey).signature),
      deviceSignature: Buffer.from(signFor(CONTEXT.deviceKey, transcript, phone.deviceKey.privateKey).signature),
      posture: POSTURE,
      playIntegrityToken: '',
    },
  };
}

function newPhone(): EndedExchange['phone'] {
  const keymint = factory.provision(honestProfiles(NOW).rkp);
  return { keymint, deviceId: 'device', deviceKey: PreparedKey.generate(keymint, randomBytes(32)) };
}

describe('the bare cryptography of an exchange', () => {
  test('is every link of its chains, both signatures of the evidence and the token', () => {
    const bare = new BareExchanges(anchorOf(factory));
    const enrolment = bare.of(ended(newPhone(), 'enrolment'));
    expect(enrolment.chains).toHaveLength(8);
    expect(enrolment.evidence).toHaveLength(2);
    expect(enrolment.token.toString()).toBe('head.claims');
    expect(() => makeChecks([...enrolment.chains, ...enrolment.evidence])).not.toThrow();
  });

  test('leaves out links that an earlier exchange has shown', () => {
    const bare = new BareExchanges(anchorOf(factory));
    const phone = newPhone();
    // Two leaves, the phone's own attestation key, and two authorities that nobody has shown yet.
    expect(bare.of(ended(phone, 'enrolment')).unseen).toHaveLength(5);
    expect(bare.of(ended(newPhone(), 'enrolment')).unseen).toHaveLength(3);
    const renewal = bare.of(ended(phone, 'renewal'));
    expect(renewal.chains).toHaveLength(4);
    expect(renewal.unseen).toHaveLength(1);
  });
});

describe('a prepared exchange', () => {
  const preparation = new PhonePreparation(factory, clock);

  test('says its invite at an enrolment, with keys of its own', () => {
    const [first, second] = [preparation.enrolment('CODE-1'), preparation.enrolment('CODE-2')];
    expect(Hello.decode(first.hello).identity).toEqual({ $case: 'inviteCode', value: 'CODE-1' });
    const keys = [first, second].flatMap(({ sessionKey, deviceKey }) => [sessionKey, deviceKey]);
    expect(new Set(keys.map(({ publicKey }) => publicKey.toString('hex'))).size).toBe(4);
  });

  test('says its device when it renews, with a new session key and the same device key', () => {
    const phone = newPhone();
    const renewal = preparation.renewal(phone);
    expect(Hello.decode(renewal.hello).identity).toEqual({ $case: 'deviceId', value: 'device' });
    expect(renewal.deviceKey).toBe(phone.deviceKey);
  });
});
