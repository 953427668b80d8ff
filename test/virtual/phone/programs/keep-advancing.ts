import { randomBytes } from 'node:crypto';
import { DukptRegisters } from '../../../../src/payment-crypto/aes-dukpt/registers.ts';
import { InitialKeyId } from '../../../../src/payment-crypto/ksn.ts';
import { SecretKey } from '../../../../src/payment-crypto/secret-key.ts';
import { placeInFile, SealedRegisters } from '../../../../src/virtual/phone/registers.ts';

// Advances registers, keeps them, and only then says the counter that it may use: until it is killed.
const [path = '', keyHex = ''] = process.argv.slice(2);
const random = { bytes: (length: number): Buffer => randomBytes(length) };
const sealed = new SealedRegisters(SecretKey.ofOwned('AES', Buffer.from(keyHex, 'hex')), random, placeInFile(path));
const id = InitialKeyId.parse(Buffer.alloc(8, 1));
if (!id.ok) throw new Error(id.reason);
const load = (): DukptRegisters => DukptRegisters.load(SecretKey.generate('AES', 128, random), id.value);
const keys = (await sealed.load()).keys ?? { pin: load(), accountData: load() };
for (;;) {
  const used = keys.pin.advance();
  if (!used.ok) throw new Error(used.reason);
  await sealed.keep({ keys, pending: null });
  process.stdout.write(`${used.value.ksn.counter}\n`);
}
