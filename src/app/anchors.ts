import {
  type AnchorSet,
  anchorFromCertificate,
  createAnchorSet,
  type TrustAnchor,
} from '../attestation/android/anchors.ts';
import { decodePem } from '../encoding/pem.ts';
import { ConfigError, readText } from './config.ts';
import { faultText } from './fault-text.ts';

const MAXIMUM_PEM = 16_384;

/** The published anchors and those of the configuration: certificates in PEM, of which name and key count. */
export async function loadAnchors(
  configured: readonly { readonly name: string; readonly file: string }[],
): Promise<AnchorSet> {
  return createAnchorSet(await Promise.all(configured.map(({ name, file }) => loadAnchor(name, file))));
}

async function loadAnchor(name: string, file: string): Promise<TrustAnchor> {
  const pem = decodePem(await readText(file), 'CERTIFICATE', MAXIMUM_PEM);
  if (!pem.ok) throw new ConfigError(`${file}: ${faultText(pem)}`);
  const [certificate, ...others] = pem.value;
  if (certificate === undefined || others.length > 0)
    throw new ConfigError(`${file}: one certificate is expected. Give each its own file.`);
  const anchor = anchorFromCertificate(name, certificate);
  if (!anchor.ok) throw new ConfigError(`${file}: ${faultText(anchor)}`);
  return anchor.value;
}
