/** Makes the configured factors. */
import type { Clock } from '../core/clock.ts';
import { OperatorError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Sealer } from '../core/seal.ts';
import type { Store } from '../core/store.ts';
import { Mailer } from '../messages/mailer.ts';
import type { MailOptions } from '../messages/options.ts';
import type { Breakers } from '../remote/breakers.ts';
import { digestOf } from '../remote/server-identity.ts';
import type { FactorContext, SendReport } from './define.ts';
import { Enrolments } from './enrolments.ts';
import { type ConfiguredFactor, Factors } from './factors.ts';
import { FactorLimits } from './limits.ts';
import { type FactorDocument, type FactorRules, factorKind } from './options.ts';
import { Sends } from './sends.ts';

/** What of a configuration concerns factors. */
export interface FactorsDocument {
  readonly factors: Readonly<Record<string, FactorDocument>>;
  readonly factorRules: FactorRules;
  readonly server: { readonly publicUrl: URL };
  readonly pages: { readonly siteName: string; readonly language: string };
  readonly messages: { readonly mail?: MailOptions | undefined };
}

/** What factors need of the process. */
export interface FactorServices {
  readonly clock: Clock;
  readonly log: Log;
  readonly store: Store;
  readonly sealer: Sealer;
  readonly breakers: Breakers;
  /** Is told what became of each code that was to be sent. */
  readonly onSend: (report: SendReport & { readonly factor: string }) => void;
}

/** The deadline of a factor that asks a server and names none, in milliseconds. */
const usualTimeout = 10_000;

/** Makes all of them, or throws and leaves none open. */
export function buildFactors(document: FactorsDocument, services: FactorServices): Factors {
  const { clock, log, store } = services;
  const all: ConfiguredFactor[] = [];
  const mailer = document.messages.mail && new Mailer(document.messages.mail);
  try {
    const parts = { mailer, sends: new Sends({ store, clock }) };
    for (const [name, options] of Object.entries(document.factors))
      all.push(factorOf(name, options, document, { ...services, ...parts }));
  } catch (error) {
    for (const { factor } of all) void factor.close?.();
    mailer?.close();
    throw error;
  }
  const limits = new FactorLimits({ store, clock, limits: document.factorRules.failures });
  return new Factors({ all, mailer, enrolments: new Enrolments({ store, clock }), limits, log });
}

function factorOf(
  name: string,
  document: FactorDocument,
  { server, pages, factorRules, messages }: FactorsDocument,
  services: FactorServices & Pick<FactorContext, 'mailer' | 'sends'>,
): ConfiguredFactor {
  const kind = factorKind(document.type);
  if (!kind) throw new OperatorError(`factors.${name}: there is no type ${document.type}`);
  const { type, label, ...options } = document;
  const { clock, log, store, sealer, mailer, sends, onSend } = services;
  const factor = kind.create(options, {
    ...{
      name,
      clock,
      store,
      sealer,
      mailer,
      sends,
      sendRules: factorRules.sends,
      onSend: (report) => onSend({ ...report, factor: name }),
      siteName: pages.siteName,
      publicUrl: server.publicUrl,
    },
    log: log.child({ factor: name }),
  });
  const timeout = factor.timeout ?? ('timeout' in options ? Number(options.timeout) : usualTimeout);
  const said = [name, document, type === 'mail' ? messages.mail : undefined];
  const watched = factor.isNetworked && watchedBy(name, digestOf('factor', ...said), services);
  return { name, type, label, factor, ...watched, timeout, gives: kind.gives };
}

/** Its circuit breaker goes on from the configuration before where its server is configured as there. */
function watchedBy(name: string, identity: string, { clock, log, breakers }: FactorServices) {
  const breaker = breakers.of(identity, {
    clock,
    onChange: (state, reason, isHeard) => {
      // Who was the first to know has said it.
      if (!isHeard) log.warn({ factor: name, state, reason }, 'the circuit breaker of a factor changed');
    },
  });
  return { breaker, identity };
}
