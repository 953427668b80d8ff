import { z } from 'zod';
import { classicTokenKeys, createClassicDecoder } from '../attestation/play-integrity/classic-token.ts';
import type { IntegrityDecoder } from '../attestation/play-integrity/decoder.ts';
import { createPairedDecoder } from '../attestation/play-integrity/paired-decoder.ts';
import { type AccessTokenSource, createStandardDecoder } from '../attestation/play-integrity/standard-decoder.ts';
import { createAccessTokenSource } from '../jobs/play-integrity/access-token.ts';
import { networkPost } from '../jobs/play-integrity/post.ts';
import { parseServiceAccount } from '../jobs/play-integrity/service-account.ts';
import type { Clock } from '../ports/clock.ts';
import { ConfigError } from './config.ts';
import type { PlayIntegrityConfig } from './play-integrity-config.ts';
import { readSecret } from './secret-file.ts';

const keysSchema = z.strictObject({ decryptionKey: z.string().max(256), verificationKey: z.string().max(512) });

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Told as a file that is not of its form.
    return null;
  }
}

async function classicDecoder(file: string): Promise<IntegrityDecoder> {
  const parsed = keysSchema.safeParse(parseJson(await readSecret(file)));
  if (!parsed.success)
    throw new ConfigError(
      `${file}: JSON with decryptionKey and verificationKey is expected, as the Play Console shows them.`,
    );
  const keys = classicTokenKeys(parsed.data);
  if (!keys.ok) throw new ConfigError(`${file}: ${keys.reason}. Copy both keys anew from the Play Console.`);
  return createClassicDecoder(keys.value);
}

/** Access tokens of a service account; one source for all applications that share account, endpoint and deadline. */
function accessTokens(clock: Clock): (file: string, application: PlayIntegrityConfig) => Promise<AccessTokenSource> {
  const sources = new Map<string, AccessTokenSource>();
  return async (file, { tokenEndpoint: endpoint, deadlineMilliseconds }) => {
    const name = JSON.stringify([file, endpoint, deadlineMilliseconds]);
    const opened = sources.get(name);
    if (opened !== undefined) return opened;
    const account = parseServiceAccount(await readSecret(file));
    if (!account.ok)
      throw new ConfigError(`${file}: ${account.reason}. Download the key of the service account anew, as JSON.`);
    const source = createAccessTokenSource({
      post: networkPost,
      clock,
      account: account.value,
      endpoint,
      deadlineMilliseconds,
    });
    sources.set(name, source);
    return source;
  };
}

/**
 * The decoders of integrity tokens by package name: by local keys, by Google's server, or by either. Throws ConfigError
 * for a key file that cannot be used, and for a package that is named twice.
 */
export async function openDecoders(
  applications: readonly PlayIntegrityConfig[],
  clock: Clock,
): Promise<ReadonlyMap<string, IntegrityDecoder>> {
  const accessTokenOf = accessTokens(clock);
  const decoders = new Map<string, IntegrityDecoder>();
  for (const application of applications) {
    const { package: packageName, classicKeys, serviceAccount, endpoint, deadlineMilliseconds } = application;
    if (decoders.has(packageName))
      throw new ConfigError(`playIntegrity names ${packageName} twice. Leave one of the two entries.`);
    const classic = classicKeys === undefined ? null : await classicDecoder(classicKeys);
    const standard =
      serviceAccount === undefined
        ? null
        : createStandardDecoder({
            post: networkPost,
            accessToken: await accessTokenOf(serviceAccount, application),
            packageName,
            deadlineMilliseconds,
            origin: endpoint,
          });
    const decoder =
      classic !== null && standard !== null ? createPairedDecoder(classic, standard) : (classic ?? standard);
    if (decoder !== null) decoders.set(packageName, decoder);
  }
  return decoders;
}
