/** A peer for the bench: http-proxy-middleware on plain node:http with kept-alive connections, and nothing else. */
import { Agent, createServer } from 'node:http';
import { createProxyMiddleware } from 'http-proxy-middleware';

const [port = '0', upstream = '0'] = process.argv.slice(2);
const proxy = createProxyMiddleware({
  target: `http://127.0.0.1:${upstream}`,
  agent: new Agent({ keepAlive: true, maxSockets: 128 }),
});
createServer((request, response) => void proxy(request, response, () => response.end())).listen(
  Number(port),
  '127.0.0.1',
);
