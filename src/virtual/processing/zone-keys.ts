import { importKeyBlock } from '../../payment-crypto/key-block/import.ts';
import { keyCheckValue } from '../../payment-crypto/kcv.ts';
import { SecretBytes } from '../../payment-crypto/secret.ts';
import { SecretKey } from '../../payment-crypto/secret-key.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
