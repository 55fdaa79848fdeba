/** A peer for the bench: node:http before undici, which passes requests and answers on; it knows nobody and checks nothing. */
import { createServer } from 'node:http';
import { Pool } from 'undici';

const [port = '0', upstream = '0'] = process.argv.slice(2);
const pool = new Pool(`http://127.0.0.1:${upstream}`, { connections: 128 });
const hop = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'te', 'trailer']);

createServer((request, response) => {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(request.headers))
    if (value !== undefined && !hop.has(name)) headers[name] = value;
  const hasBody = request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined;
  const wanted = { path: request.url ?? '/', method: request.method as 'GET', headers, body: hasBody ? request : null };
  pool
    .stream(wanted, ({ statusCode, headers }) => {
      for (const name of hop) delete headers[name];
      return response.writeHead(statusCode, headers);
    })
    .catch(() => response.destroy());
}).listen(Number(port), '127.0.0.1', 4096);
