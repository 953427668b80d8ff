import { readFileSync } from 'node:fs';
import { createPublicKey, X509Certificate, verify } from 'node:crypto';
import { decodePem } from './src/encoding/pem.ts';
import { parseCertificate } from './src/attestation/android/certificate.ts';
import { createVerifiedIssuers } from './src/attestation/android/verified-issuers.ts';
import { PUBLISHED_ANCHORS } from './src/attestation/android/anchors.ts';
import { appraiseKey } from './src/attestation/appraise.ts';
import { attestationPolicySchema } from './src/attestation/policy.ts';
const dir='/work/shared/vectors/attestation/';
for (const file of ['android_keyattestation_blueline_sdk28_SB_RSA_NONE.pem','GrapheneOS_AttestationSamples_Pixel_4_tee.pem']) {
const chain=decodePem(readFileSync(dir+file,'utf8'),'CERTIFICATE',1e6).value;
const certs=chain.map((d:Uint8Array)=>parseCertificate(d,1e5).value);
console.log(file, certs.map((c:any)=>c.key.algorithm+c.key.bits+c.signatureAlgorithm.hash).join());
const policy=attestationPolicySchema.parse({});
const keys=certs.map((c:any)=>createPublicKey({key:Buffer.from(c.key.spki),format:'der',type:'spki'}));
const ev={at:new Date('2026-11-23'),policy,anchors:PUBLISHED_ANCHORS,expected:{challenge:null,purpose:null,algorithm:null,application:'skip',patches:'skip'}} as any;
const issuers=createVerifiedIssuers(100);
const fns:Record<string,()=>unknown>={
 'bare links':()=>{for(let i=0;i<3;i++) verify(certs[i].signatureAlgorithm.hash,certs[i].tbs,keys[i+1],certs[i].signature)},
 'bare leaf':()=>verify(certs[0].signatureAlgorithm.hash,certs[0].tbs,keys[1],certs[0].signature),
 'x509.publicKey 1+2':()=>{new X509Certificate(chain[1]).publicKey;new X509Certificate(chain[2]).publicKey},
 'der 1+2':()=>{createPublicKey({key:certs[1].key.spki,format:'der',type:'spki'});createPublicKey({key:certs[2].key.spki,format:'der',type:'spki'})},
 'parse 4':()=>chain.map((d:any)=>parseCertificate(d,65536)),
 'cold no cache':()=>appraiseKey({chain,...ev}),
 'cold':()=>appraiseKey({chain,...ev,issuers:createVerifiedIssuers(100)}),
 'warm':()=>appraiseKey({chain,...ev,issuers}),
};
for(const f of Object.values(fns)) for(let i=0;i<6000;i++) f();
const best:Record<string,number[]>={};
for(let r=0;r<25;r++) for(const [n,f] of Object.entries(fns)){ const c=process.cpuUsage(); for(let i=0;i<300;i++) f(); const d=process.cpuUsage(c); (best[n]??=[]).push((d.user+d.system)/300); }
for(const [n,a] of Object.entries(best)){a.sort((x,y)=>x-y);console.log(n.padEnd(24),'min',a[0]!.toFixed(1),'median',a[12]!.toFixed(1));}
}
