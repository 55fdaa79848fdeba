/** What goes wrong round a gateway in a long day, and for how long afterwards an error has that for its reason. */
import { setTimeout as delay } from 'node:timers/promises';
import { treeOf } from '../machine/processes.ts';
import type { MixedGround } from './ground.ts';

/** Kinds of trouble. */
type Kind = 'application' | 'store' | 'worker' | 'reload' | 'certificate';

/** Whom an error may have happened to. */
export type Errand = 'login' | 'page' | 'connection';

/** Which errands suffer, and how long behind the end of the trouble, in milliseconds. */
const suffering: Readonly<Record<Kind, { readonly errands: readonly Errand[]; readonly tail: number }>> = {
  application: { errands: ['page', 'connection'], tail: 5000 },
  // It is looked for once a second, and whoever was refused comes again after as long.
  store: { errands: ['login', 'page', 'connection'], tail: 5000 },
  // Whatever was on a connection to it.
  worker: { errands: ['login', 'page', 'connection'], tail: 3000 },
  // Nobody's connection ends.
  reload: { errands: [], tail: 0 },
  certificate: { errands: [], tail: 0 },
};

/** Makes trouble and remembers it. */
export class Troubles {
  readonly #ground: MixedGround;
  readonly #until = new Map<Errand, number>();
  readonly #counts: Record<Kind, number> = { application: 0, store: 0, worker: 0, reload: 0, certificate: 0 };
  #under = new Map<Errand, number>();

  constructor(ground: MixedGround) {
    this.#ground = ground;
  }

  /** One after the other until it is over, the first after a while. */
  async make(isOver: () => boolean): Promise<void> {
    const { redis, gateway, workers } = this.#ground;
    const reload = async (): Promise<void> => void process.kill(gateway.pid, 'SIGHUP');
    const kinds: readonly (readonly [Kind, () => Promise<void>])[] = [
      ['reload', reload],
      ['application', () => this.#ground.killApplication(1500)],
      [
        'certificate',
        async () => {
          this.#ground.swapCertificate();
          await reload();
        },
      ],
      ['worker', async () => this.#killWorker()],
      [
        'store',
        async () => {
          await redis?.kill();
          await delay(4000);
          await redis?.start();
        },
      ],
    ];
    const possible = kinds.filter(([kind]) => (kind !== 'store' || redis) && (kind !== 'worker' || workers > 1));
    for (let turn = 0; !isOver(); turn += 1) {
      for (let waited = 0; waited < 12_000 && !isOver(); waited += 250) await delay(250);
      const [kind, work] = possible[turn % possible.length] ?? [];
      if (isOver() || kind === undefined || work === undefined) return;
      await this.#with(kind, work);
    }
  }

  /** Whether trouble of these moments is reason enough. */
  explains(errand: Errand, startedAt: number): boolean {
    return (this.#under.get(errand) ?? 0) > 0 || startedAt < (this.#until.get(errand) ?? 0);
  }

  summary(): string {
    return Object.entries(this.#counts)
      .map(([kind, count]) => `${kind} ${count}`)
      .join(', ');
  }

  async #with(kind: Kind, work: () => Promise<void>): Promise<void> {
    const { errands, tail } = suffering[kind];
    this.#counts[kind] += 1;
    for (const errand of errands) this.#under.set(errand, (this.#under.get(errand) ?? 0) + 1);
    await work();
    for (const errand of errands) {
      this.#under.set(errand, (this.#under.get(errand) ?? 1) - 1);
      this.#until.set(errand, performance.now() + tail);
    }
  }

  /** Any of the processes that the leading one has started. */
  #killWorker(): void {
    const workers = treeOf([this.#ground.gateway.pid]).slice(1);
    const pid = workers[Math.floor(Math.random() * workers.length)];
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
  }
}
