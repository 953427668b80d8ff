import { z } from 'zod';
import { GOOGLE_TOKEN_ENDPOINT } from '../jobs/play-integrity/access-token.ts';

const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost']);

/** Credentials travel there: TLS, or this machine itself. */
function isPrivate({ protocol, hostname, username, password, hash }: URL): boolean {
  const isBare = username === '' && password === '' && hash === '';
  return isBare && (protocol === 'https:' || (protocol === 'http:' && LOOPBACK.has(hostname)));
}

const address = z
  .string()
  .max(2048)
  .refine((text) => {
    const url = URL.parse(text);
    return url !== null && isPrivate(url);
  }, 'an https:// address without a user name');

const origin = address.refine((text) => URL.parse(text)?.origin === text, 'scheme, host and port only');

/** How the integrity tokens of one application are decoded: classic ones here, standard ones by Google's server. */
export const playIntegrityConfigSchema = z
  .strictObject({
    package: z.string().min(1).max(255),
    classicKeys: z
      .string()
      .min(1)
      .optional()
      .describe('JSON of decryptionKey and verificationKey from the Play Console, mode 0600'),
    serviceAccount: z
      .string()
      .min(1)
      .optional()
      .describe("JSON key of a service account of the application's Google Cloud project, mode 0600"),
    tokenEndpoint: address
      .default(GOOGLE_TOKEN_ENDPOINT)
      .describe('Where the service account gets access tokens, and their audience'),
    endpoint: origin
      .default('https://playintegrity.googleapis.com')
      .describe('The server that decodes standard tokens'),
    deadlineMilliseconds: z.int().min(100).max(30_000).default(5000).describe('For each exchange with these servers'),
  })
  .refine(
    ({ classicKeys, serviceAccount }) => classicKeys !== undefined || serviceAccount !== undefined,
    'classicKeys, serviceAccount or both',
  );

/** A checked configuration of one application. */
export type PlayIntegrityConfig = z.infer<typeof playIntegrityConfigSchema>;

/** The same with its files as absolute paths. */
export function withAbsoluteKeyFiles(
  application: PlayIntegrityConfig,
  absolute: (path: string) => string,
): PlayIntegrityConfig {
  const { classicKeys, serviceAccount } = application;
  return {
    ...application,
    classicKeys: classicKeys === undefined ? undefined : absolute(classicKeys),
    serviceAccount: serviceAccount === undefined ? undefined : absolute(serviceAccount),
  };
}
