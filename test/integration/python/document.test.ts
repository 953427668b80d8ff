import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { ROOT } from '../../../src/checks/root.ts';
import { canonicalBytes } from '../../../src/encoding/canonical.ts';
import {
  attestationChallenge,
  attestationTranscript,
  resumeTranscript,
  transportChallenge,
} from '../../../src/encoding/contexts.ts';
import { p256PublicKey, p256Thumbprint } from '../../../src/encoding/p256.ts';
import { CONTEXT, signingInput } from '../../../src/encoding/signed.ts';
import { Hello } from '../../../src/gen/tapgate/v1/attestation_service.ts';
import { isReason } from '../../../src/reasons/catalogue.ts';
import { decodePosture } from '../../../src/wire/posture.ts';
import { readExample } from './example.ts';
import { SAMPLES } from './support.ts';

/** Names of the contract and of Android that stand on the page beside codes. */
const OTHER_NAMES =
  /^(?:RETRY_|FLAG_|PURPOSE_|DETECT_|ERROR_ATTESTATION|DEVELOPMENT_SETTINGS|ADB_ENABLED|(?:ATTEST_AGAIN|ROTATE_KEYS|POLICY_CHANGED|ENFORCEMENT_COMING|ONLINE_PIN|FOCUS_LOST|SCREEN_CAPTURE)$)/;

const PAGE = join(ROOT, 'docs/integration-app.md');

let page: string;

beforeAll(async () => {
  page = await readFile(PAGE, 'utf8');
});

/** The fenced blocks that show a part of a file, in the page's order. */
function blocks(file: string): string[] {
  return [...page.matchAll(/^```python(?: (\S+))?\n(.*?)^```$/gms)].flatMap(([, stated, text]) =>
    stated === file ? [text ?? ''] : [],
  );
}

/** Source text without the lines between its parts. */
const joined = (parts: readonly string[]): string =>
  parts
    .join('\n')
    .replaceAll(/\n{2,}/g, '\n')
    .replace(/^\n+/, '');

describe('docs/integration-app.md', () => {
  test('shows the whole of the programs that the tests run, and nothing else', async () => {
    const file = async (name: string): Promise<string> => joined([await readFile(join(SAMPLES, name), 'utf8')]);
    expect(joined(blocks('tapgate_app.py'))).toBe(await file('tapgate_app.py'));
    expect(joined(blocks('tapgate_keys.py'))).toBe(await file('tapgate_keys.py'));
    expect(joined(blocks('tapgate_pay.py'))).toBe(await file('tapgate_pay.py'));
    expect([...page.matchAll(/^```python(?! tapgate_(?:app|keys|pay)\.py$)/gm)]).toEqual([]);
  });

  test('names codes that the catalogue has', () => {
    const told = page.replaceAll(/^```.*?^```$/gms, '');
    const codes = [...told.matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)].map(([, code]) => code ?? '');
    const unknown = codes.filter((code) => !isReason(code) && !OTHER_NAMES.test(code));
    expect(codes.length).toBeGreaterThan(60);
    expect(unknown).toEqual([]);
  });

  test.each([
    '../proto/tapgate/v1',
    'reasons.md',
    'samples/tapgate_app.py',
    'samples/tapgate_keys.py',
    'samples/tapgate_pay.py',
  ])('links to %s', (target) => {
    expect(page).toContain(`](${target})`);
  });
});

describe('the example of exact bytes', () => {
  test('is what the service computes', async () => {
    const shown = await readExample();
    const { nonce, hello, posture, sessionKey } = {
      nonce: Buffer.from(shown.nonce ?? '', 'hex'),
      hello: Buffer.from(shown.hello ?? '', 'hex'),
      posture: Buffer.from(shown.posture ?? '', 'hex'),
      sessionKey: Buffer.from(shown['session key'] ?? '', 'hex'),
    };
    const challenge = attestationChallenge(nonce, hello);
    const transcript = attestationTranscript(challenge, sessionKey);
    expect(shown).toEqual({
      nonce: shown.nonce,
      hello: shown.hello,
      'challenge input': canonicalBytes('tapgate/v1/attestation-challenge', nonce, hello).toString('hex'),
      challenge: challenge.toString('hex'),
      'session key': shown['session key'],
      transcript: transcript.toString('hex'),
      posture: shown.posture,
      'session signature over': signingInput(CONTEXT.evidence, Buffer.concat([transcript, posture])).toString('hex'),
      'device signature over': signingInput(CONTEXT.deviceKey, transcript).toString('hex'),
      thumbprint: p256Thumbprint(sessionKey),
      'resume transcript': resumeTranscript(nonce, hello).toString('hex'),
      'transport challenge': transportChallenge(sessionKey, nonce).toString('hex'),
    });
  });

  test('has the inputs that the page describes', async () => {
    const shown = await readExample();
    expect(Hello.decode(Buffer.from(shown.hello ?? '', 'hex'))).toMatchObject({
      packageName: 'com.example.pos',
      appVersion: 42n,
      sdkLevel: 34,
      identity: { $case: 'inviteCode', value: 'EXAMPLE' },
    });
    const posture = decodePosture(Buffer.from(shown.posture ?? '', 'hex'));
    expect(posture).toEqual({ ok: true, value: new Set() });
    expect(p256PublicKey(Buffer.from(shown['session key'] ?? '', 'hex'))).not.toBeNull();
  });
});
