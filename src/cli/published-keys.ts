import { ConfigError, readText } from '../app/config.ts';
import { DataFolder } from '../app/data-folder.ts';
import { httpJwks } from '../verifier/http-jwks.ts';
import { type PublishedKey, parseJwks } from '../verifier/jwks.ts';

/** A URL with its scheme; what has none is a file. */
const URL_FORM = /^https?:\/\//;

/** Published keys of a file or URL; by default those of the service on a data folder. Throws ConfigError. */
export async function publishedKeys(location: string | undefined, data: string): Promise<readonly PublishedKey[]> {
  const from = location ?? (await jwksOfService(data));
  if (URL_FORM.test(from)) return fetchKeys(from);
  const keys = parseJwks(await readText(from));
  if (!keys.ok)
    throw new ConfigError(
      `${from}: ${keys.detail ?? keys.reason}. Name a file of published keys (a JWK Set), or their URL: --jwks`,
    );
  return keys.value;
}

async function fetchKeys(url: string): Promise<readonly PublishedKey[]> {
  try {
    return await httpJwks(url)();
  } catch (error) {
    throw new ConfigError(
      `No published keys: ${error instanceof Error ? error.message : String(error)}. Is the service running, and ${url} right?`,
    );
  }
}

async function jwksOfService(data: string): Promise<string> {
  const { ops } = await new DataFolder(data).addresses();
  const host = ops.host.includes(':') ? `[${ops.host}]` : ops.host;
  return `http://${host}:${ops.port}/.well-known/jwks.json`;
}

const MAXIMUM_INPUT = 16_384;

/** Text of a file of at most 16 KiB, or of standard input where its name is `-`. */
export async function textOfArgument(argument: string): Promise<string> {
  if (argument !== '-') return (await readText(argument, MAXIMUM_INPUT)).trim();
  let text = '';
  for await (const part of process.stdin.setEncoding('utf8')) {
    text += part;
    if (text.length > MAXIMUM_INPUT) break;
  }
  return text.trim();
}
