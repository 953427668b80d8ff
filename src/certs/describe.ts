import { X509Certificate } from 'node:crypto';
import { CertificateFolder } from './folder.ts';
import { PLANES, type Plane } from './uri-name.ts';

/** One certificate of the folder, as a table shows it. */
export interface CertificateDescription {
  readonly plane: Plane;
  /** `ca`, `server`, `<acquirer>` or `<person>@<role>`. */
  readonly name: string;
  readonly kind: 'authority' | 'server' | 'client';
  /** Subject alternative names as OpenSSL prints them, for example `URI:spiffe://tapgate/processing/acme`. */
  readonly names: readonly string[];
  readonly notAfter: Date;
  /** Whole days until `notAfter`; negative once it has passed. */
  readonly daysLeft: number;
  /** Of the certificate's DER, lower-case hexadecimal. */
  readonly sha256: string;
  /** Signed by the authority of its plane. */
  readonly trusted: boolean;
  readonly path: string;
}

const DAY = 86_400_000;

/** The certificates below the directory, by plane and name. Throws for a file that is no certificate. */
export async function describeCertificates(directory: string, now: Date): Promise<CertificateDescription[]> {
  const rows: CertificateDescription[] = [];
  for (const plane of PLANES) {
    const folder = new CertificateFolder(directory, plane);
    const authority = await folder.certificate('ca');
    for (const name of await folder.names()) {
      const pem = await folder.certificate(name);
      if (pem === null) continue;
      const certificate = new X509Certificate(pem);
      rows.push({
        plane,
        name,
        kind: name === 'ca' ? 'authority' : name === 'server' ? 'server' : 'client',
        names: certificate.subjectAltName?.split(', ') ?? [],
        notAfter: certificate.validToDate,
        daysLeft: Math.floor((certificate.validToDate.getTime() - now.getTime()) / DAY),
        sha256: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
        trusted: authority !== null && certificate.verify(new X509Certificate(authority).publicKey),
        path: folder.pathsOf(name).certificate,
      });
    }
  }
  return rows;
}
