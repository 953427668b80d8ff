// Many verifiers in one process: each watches revocations, and the time is said at which the last of them had one.
import { readFileSync } from 'node:fs';
import { DeviceTokenServiceClient, type WatchRevocationsResponse } from '../src/gen/tapgate/v1/device_token_service.ts';
import { channelCredentials, channelOptions } from '../src/wire/channel.ts';
import type { WatchersConfig } from './devices/watching.ts';

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error('usage: node device-watchers.ts CONFIG');
const config = JSON.parse(readFileSync(file, 'utf8')) as WatchersConfig;
const { address, connections, streamsPerConnection } = config;
const all = connections * streamsPerConnection;
const tls = {
  ca: readFileSync(config.ca),
  cert: readFileSync(config.certificate),
  key: readFileSync(config.key),
};
/** Watchers that have had their first message, and those that have had a device's revocation. */
const watching = new Set<number>();
const told = new Map<string, Set<number>>();

function take(watcher: number, { entries }: WatchRevocationsResponse): void {
  if (!watching.has(watcher)) {
    watching.add(watcher);
    if (watching.size === all) process.stdout.write('watching\n');
  }
  for (const { deviceId } of entries) {
    const watchers = told.get(deviceId) ?? new Set();
    told.set(deviceId, watchers);
    watchers.add(watcher);
    if (watchers.size === all) process.stdout.write(`told ${deviceId} ${process.hrtime.bigint()}\n`);
  }
}

const credentials = channelCredentials(tls);
for (let connection = 0; connection < connections; connection += 1) {
  const client = new DeviceTokenServiceClient(address, credentials, channelOptions({ ownConnection: true }));
  for (let stream = 0; stream < streamsPerConnection; stream += 1) {
    const watcher = connection * streamsPerConnection + stream;
    const call = client.watchRevocations({ cursor: '' });
    call.on('data', (response: WatchRevocationsResponse) => take(watcher, response));
    call.on('error', (error) => {
      throw error;
    });
  }
}
process.on('SIGTERM', () => process.exit(0));
