/** What machines cost: handshakes behind the reading of the ClientHello, and requests at a table of ten thousand of them. */
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { connect } from 'node:tls';
import { type CertificateFiles, issueCertificate, testCertificates } from '../../test/support/tools/certificates.ts';
import { freePort } from '../../test/support/tools/free-port.ts';
import { ownFolder } from '../contenders/contender.ts';
import { gatehouse, type RunningGateway } from '../contenders/gatehouse.ts';
import type { PinnedGround } from '../measure/compare.ts';
import { quantile } from '../measure/statistics.ts';
import { figure, type Measurement } from './figure.ts';

const host = 'localhost';
const atOnce = 8;
const [handshakes, requests] = [400, 2000];

/** The measurement. */
export const machines: Measurement = {
  name: 'machines',
  title: 'handshakes behind the ClientHello, and a table of 10,000 machines',
  run: async (ground, { rounds, quick }, say) => {
    const machine = issueCertificate('bench-machine', 'DNS:machine.test');
    const turns = quick ? 1 : rounds;
    const few = await start(ground, machine, 10);
    const many = await start(ground, machine, 10_000);
    try {
      const shaken = { plain: [] as number[], told: [] as number[] };
      const asked = { few: [] as number[], many: [] as number[] };
      for (let turn = 0; turn <= turns; turn += 1) {
        const plain = await perSecond(handshakes, () => shake(few.plain));
        const told = await perSecond(handshakes, () => shake(few.told));
        const [small, large] = [await ask(few.machines, machine), await ask(many.machines, machine)];
        // The first turn is for warming up.
        if (turn === 0) continue;
        shaken.plain.push(plain);
        shaken.told.push(told);
        asked.few.push(small);
        asked.many.push(large);
      }
      const median = (values: readonly number[]): number => quantile(values, 0.5);
      say(`machines: ${median(shaken.told).toFixed(0)} and ${median(shaken.plain).toFixed(0)} handshakes a second`);
      return [
        figure(
          'hello-handshakes',
          'handshakes a second where listeners share a port, of those of one alone',
          median(shaken.told) / median(shaken.plain),
          'x',
          `${median(shaken.plain).toFixed(0)} a second alone, by one client`,
        ),
        figure(
          'table-of-machines',
          'time of a request at a table of 10,000 machines, of one at a table of ten',
          median(asked.few) / median(asked.many),
          'x',
        ),
      ];
    } finally {
      await Promise.all([few.gateway.end(), many.gateway.end()]);
    }
  },
};

/** A gateway with three https ports; of its machines the last is the one that asks. */
async function start(ground: PinnedGround, machine: CertificateFiles, count: number) {
  const { good, ca } = testCertificates();
  const [plain, told, machines] = [await freePort(), await freePort(), await freePort()];
  const at = (port: number) => `https://127.0.0.1:${port}`;
  // An object for each: YAML would name one that stands twice, and thousands of such names take it long.
  const row = () => ({ services: ['data'] });
  const rows = Array.from({ length: count - 1 }, (_, index) => [
    `machine-${index}`,
    { ...row(), thumbprints: [index.toString(16).padStart(64, '0')] },
  ]);
  const gateway: RunningGateway = await gatehouse(
    { ...ground, folder: ownFolder(ground, `machines-${count}`) },
    {
      ...{ name: `gatehouse-${count}`, title: 'Gatehouse', server: { listen: undefined } },
      routes: [{ location: '/', upstream: `http://127.0.0.1:${ground.upstream}`, access: 'peers', service: 'data' }],
      more: {
        listeners: {
          plain: { listen: at(plain), tls: good },
          told: { listen: at(told), tls: good, hosts: [host] },
          machines: { listen: at(machines), tls: good, clientCertificates: { ask: 'required', authorities: ca } },
        },
        services: { data: {} },
        peers: { ...Object.fromEntries(rows), own: { ...row(), certificate: machine.certificate } },
      },
    },
  );
  return { gateway, plain, told, machines };
}

async function perSecond(count: number, once: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  let left = count;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (left > 0) {
        left -= 1;
        await once();
      }
    }),
  );
  return (count / (performance.now() - startedAt)) * 1000;
}

function shake(port: number): Promise<void> {
  const ca = readFileSync(testCertificates().ca);
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', servername: host, ca }, () => {
      socket.destroy();
      resolve();
    });
    socket.on('error', reject);
  });
}

/** Requests a second of one machine on connections that are kept; one that is not let in throws. */
async function ask(port: number, { certificate, key }: CertificateFiles): Promise<number> {
  const agent = new https.Agent({
    ...{ keepAlive: true, maxSockets: atOnce, ca: readFileSync(testCertificates().ca) },
    ...{ cert: readFileSync(certificate), key: readFileSync(key) },
  });
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const asked = https.get({ agent, port, host: '127.0.0.1', servername: host, path: '/page' }, (response) => {
        response.resume().once('end', () => {
          if (response.statusCode === 200) resolve();
          else reject(new Error(`a machine was answered ${response.statusCode}`));
        });
      });
      asked.on('error', reject);
    });
  return perSecond(requests, one).finally(() => agent.destroy());
}
