import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Option } from 'commander';
import { ConfigError } from '../app/config.ts';
import { DataFolder, target } from '../app/data-folder.ts';
import { callUnary, type UnaryCall } from '../wire/call.ts';
import { type ChannelTls, channelCredentials, channelOptions } from '../wire/channel.ts';

const CALL_WITHIN = 15_000;

/** Options of every command that calls the admin listener. */
export interface AdminOptions {
  readonly data: string;
  readonly server?: string;
  readonly as: string;
  readonly json?: boolean;
}

/** `--data`: the folder of the service, from the environment where it is not given. */
export function dataOption(): Option {
  return new Option('--data <dir>', 'folder of the service').env('TAPGATE_DATA').default('.tapgate');
}

/** The options of a command that calls the admin listener. */
export function adminOptions(): Option[] {
  return [
    dataOption(),
    new Option('--server <host:port>', 'admin listener; by default the one of the service on --data'),
    new Option('--as <person@role>', 'whose client certificate to use').default('admin@security'),
    new Option('--json', 'one JSON object a line'),
  ];
}

/** Address and credentials of the admin listener. */
export interface AdminEndpoint {
  readonly address: string;
  readonly tls: ChannelTls;
}

/** Finds the admin listener and the caller's certificate. Throws ConfigError that says what is missing. */
export async function adminEndpoint(options: AdminOptions): Promise<AdminEndpoint> {
  const folder = new DataFolder(options.data);
  const address = options.server ?? target((await folder.addresses()).admin);
  const own = join(folder.certificates, 'admin', options.as);
  try {
    const [ca, cert, key] = await Promise.all([
      readFile(join(folder.certificates, 'admin', 'ca.crt')),
      readFile(`${own}.crt`),
      readFile(`${own}.key`),
    ]);
    return { address, tls: { ca, cert, key } };
  } catch {
    throw new ConfigError(
      `No client certificate of ${options.as} in ${join(folder.certificates, 'admin')}. Make one: tapgate certs init`,
    );
  }
}

type Constructor<C> = new (
  address: string,
  credentials: ReturnType<typeof channelCredentials>,
  options: ReturnType<typeof channelOptions>,
) => C;

/** Runs work with a client of the admin listener, and closes it. */
export async function withClient<C extends { close(): void }, T>(
  options: AdminOptions,
  Client: Constructor<C>,
  work: (client: C) => Promise<T>,
): Promise<T> {
  const { address, tls } = await adminEndpoint(options);
  const client = new Client(address, channelCredentials(tls), channelOptions());
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

/** One unary call of the admin listener. The method is bound to its client. */
export function callOnce<Request, Response>(method: UnaryCall<Request, Response>, request: Request): Promise<Response> {
  return callUnary(method, request, CALL_WITHIN);
}
