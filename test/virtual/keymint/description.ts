import { type Asn1Line, asn1parse } from './openssl.ts';

/** A KeyDescription as OpenSSL reads it. Authorizations: by tag number, the lines below the tag. */
export interface ReadDescription {
  readonly version: number;
  readonly level: number;
  readonly keymintVersion: number;
  readonly challenge: string;
  readonly software: ReadonlyMap<number, readonly Asn1Line[]>;
  readonly hardware: ReadonlyMap<number, readonly Asn1Line[]>;
  readonly softwareOrder: readonly number[];
  readonly hardwareOrder: readonly number[];
}

const number = (line: Asn1Line | undefined): number => Number.parseInt(line?.value || '0', 16);

function authorizations(lines: readonly Asn1Line[]) {
  const read = new Map<number, Asn1Line[]>();
  const order: number[] = [];
  for (const line of lines) {
    const tag = /^cont \[ (\d+) \]$/.exec(line.tag);
    if (line.depth === 2 && tag !== null) {
      order.push(Number(tag[1]));
      read.set(Number(tag[1]), []);
    } else read.get(order.at(-1) ?? -1)?.push(line);
  }
  return { read, order };
}

/** Reads a KeyDescription by its positions. */
export function readDescription(der: Uint8Array): ReadDescription {
  const lines = asn1parse(der);
  const top = lines.flatMap((line, index) => (line.depth === 1 ? [index] : []));
  const line = (position: number) => lines[top[position] ?? -1];
  const software = authorizations(lines.slice(top[6]! + 1, top[7]));
  const hardware = authorizations(lines.slice(top[7]! + 1));
  const challenge = line(4)!;
  const at = challenge.offset + challenge.header;
  return {
    version: number(line(0)),
    level: number(line(1)),
    keymintVersion: number(line(2)),
    challenge: Buffer.from(der.subarray(at, at + challenge.length)).toString('hex'),
    software: software.read,
    hardware: hardware.read,
    softwareOrder: software.order,
    hardwareOrder: hardware.order,
  };
}

/** The integers below a tag. */
export function integersOf(authorizationList: ReadonlyMap<number, readonly Asn1Line[]>, tag: number): number[] {
  const lines = authorizationList.get(tag) ?? [];
  return lines.filter((line) => line.tag === 'INTEGER').map(number);
}
