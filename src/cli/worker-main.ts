/** The program of a worker: `gatehouse serve` starts it where `server.workers` asks for several, and nobody else does. */
import './no-inspector.ts';

import { runWorker } from '../runtime/worker.ts';
import { readConfiguration } from './configuration.ts';

if (import.meta.main) runWorker((file, text) => readConfiguration(file, process.env, text));
