import { readFileSync } from 'node:fs';
import { createPublicKey, verify } from 'node:crypto';
import { decodePem } from '/work/main/src/encoding/pem.ts';
import { parseCertificate } from '/work/main/src/attestation/android/certificate.ts';
import { PUBLISHED_ANCHORS } from '/work/main/src/attestation/android/anchors.ts';
import { createVerifiedIssuers } from '/work/main/src/attestation/android/verified-issuers.ts';
import { parseStatusList } from '/work/main/src/attestation/android/revocation.ts';
import { appraiseKey } from '/work/main/src/attestation/appraise.ts';
import { attestationPolicySchema } from '/work/main/src/attestation/policy.ts';
const dir='/work/shared/vectors/attestation/';
const manifest=JSON.parse(readFileSync(dir+'manifest.json','utf8'));
const list=parseStatusList(readFileSync(dir+'status/status-2025-01.json'), new Date(0)).value;
const policy=attestationPolicySchema.parse({statusList:{required:false}, applications:[{package:'app.attestation.auditor',signers:['990e04f0864b19f14f84e0e432f7a393f297ab105a22c1e1b10b442a4a62c42c']}], patches:{os:{maximumAgeDays:3650},vendor:null,boot:null}});
const median=(a:number[])=>{a.sort((x,y)=>x-y);return a[a.length>>1]!};
const ROUNDS=Number(process.argv[2]??1500);
const only=process.argv[3];
const res=[] as any[];
for(const m of manifest.filter((x:any)=>x.expected==='valid' && (!only||x.file.includes(only)))) {
  const chain=decodePem(readFileSync(dir+m.file,'utf8'),'CERTIFICATE',1e6).value;
  const certs=chain.map((d:Uint8Array)=>parseCertificate(d,1e5).value);
  const keys=certs.map((c:any)=>createPublicKey({key:Buffer.from(c.key.spki),format:'der',type:'spki'}));
  const n=certs.length;
  const tbs=certs.map((c:any)=>Buffer.from(c.tbs)), sig=certs.map((c:any)=>Buffer.from(c.signature)), alg=certs.map((c:any)=>c.signatureAlgorithm.hash);
  const bare=()=>{ for(let i=0;i<n-1;i++) if(!verify(alg[i],tbs[i],keys[i+1],sig[i])) throw 1; };
  const bareLeaf=()=>{ if(!verify(alg[0],tbs[0],keys[1],sig[0])) throw 1; };
  const ev={at:new Date(m.at),policy,anchors:PUBLISHED_ANCHORS,statusList:list,expected:{challenge:null,purpose:'sign',application:'check',patches:'check'}};
  const issuers=createVerifiedIssuers(1000);
  const cold=()=>appraiseKey({chain,...ev} as any);
  const warm=()=>appraiseKey({chain,...ev,issuers} as any);
  warm(); const v=cold();
  const B:number[]=[],C:number[]=[],L:number[]=[],W:number[]=[];
  for(let r=0;r<ROUNDS;r++){ let t=process.hrtime.bigint(); bare(); B.push(Number(process.hrtime.bigint()-t)/1e3); t=process.hrtime.bigint(); cold(); C.push(Number(process.hrtime.bigint()-t)/1e3); t=process.hrtime.bigint(); bareLeaf(); L.push(Number(process.hrtime.bigint()-t)/1e3); t=process.hrtime.bigint(); warm(); W.push(Number(process.hrtime.bigint()-t)/1e3);}
  const b=median(B),c=median(C),l=median(L),w=median(W);
  res.push({f:m.file.slice(-30),keys:certs.map((c:any)=>c.key.algorithm+'').join(),b:b.toFixed(0),c:c.toFixed(0),r:(c/b).toFixed(2),l:l.toFixed(0),w:w.toFixed(0),wr:(w/l).toFixed(2),v:v.verdict,why:v.reasons.join()});
}
console.table(res.slice(0,60));
const rs=res.map(r=>+r.r).sort((a,b)=>a-b), ws=res.map(r=>+r.wr).sort((a,b)=>a-b);
console.log('cold median',rs[rs.length>>1],'max',rs.at(-1),'warm median',ws[ws.length>>1],'max',ws.at(-1));
