/** The certificate of a peer, which is its own anchor: put in place, with the row of the table that names it. */
import path from 'node:path';
import { OperatorError } from '../../core/errors.ts';
import { adviseOnChain } from '../../tls/chain-advice.ts';
import { ownAmong } from '../../tls/chain-report.ts';
import { certificateFolder, type Import, type Imported, put, refuseOrWarn, relativeTo } from './imported.ts';

/** Puts the certificate of a peer in place. A key that came with it is not kept: it is the peer's. */
export async function importPeer(load: Import): Promise<Imported> {
  const { name, config, certificates, keys, files, now, document, services } = load;
  const [leaf, ...more] = ownAmong(certificates);
  if (!leaf || more.length > 0)
    throw new OperatorError(
      `${files.join(', ')} holds ${more.length + 1} certificates of machines, and a peer is one`,
      'import the certificate of each under a name of its own',
    );
  const stranger = services.find((one) => !Object.hasOwn(document.services, one));
  if (stranger !== undefined)
    throw new OperatorError(
      `there is no service ${stranger}`,
      `services: has ${Object.keys(document.services).join(', ') || 'none'}`,
    );
  const { findings } = adviseOnChain([leaf], { anchors: [leaf], now, use: 'client', isOrdered: true });
  const remarks = refuseOrWarn(findings, ['dates', 'use', 'key'], files.join(', ')).slice();
  const file = path.join(certificateFolder(config), 'peers', `${name}.cer`);
  const kept = put(file, leaf.toString(), false);
  const value = `{ certificate: ${relativeTo(config, file)}, services: [${services.join(', ')}] }`;
  const isKnown = document.peers[name]?.certificate !== undefined;
  return {
    said: [
      `${file}: the certificate of the peer ${name}${kept ? `; the one before is kept as ${kept}` : ''}`,
      `SHA-256 ${leaf.fingerprint256.replaceAll(':', '').toLowerCase()}: compare it with what the owner of the machine says`,
    ],
    remarks: [
      ...remarks,
      ...(keys.length > 0
        ? [
            'a private key came with it, which is the peer’s alone: it was not kept\n  have the owner make another one, as this one has travelled',
          ]
        : []),
    ],
    // A row that names the file already takes what is in it at the next reload.
    ...(!isKnown && {
      row: {
        under: services.length > 0 ? '' : ', with the services that it may reach',
        text: `peers:\n  ${name}: ${value}`,
        insert: { into: ['peers'], key: name, value },
      },
    }),
  };
}
