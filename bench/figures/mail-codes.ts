/** Codes by mail at the beginning of a shift: 500 people ask for one within ten seconds, of a server that takes its time for each. */
import { setTimeout as delay } from 'node:timers/promises';
import { Agent } from 'undici';
import { hiddenFields, Visitor } from '../../test/support/scenes/visitor.ts';
import { startSlapd } from '../../test/support/servers/slapd.ts';
import { startSmtpServer } from '../../test/support/servers/smtp-server.ts';
import { ownFolder } from '../contenders/contender.ts';
import { gatehouse } from '../contenders/gatehouse.ts';
import { Scope } from '../contenders/scope.ts';
import { median, quantile } from '../measure/statistics.ts';
import { ldapLogin } from '../shift/ground.ts';
import { figure, type Measurement } from './figure.ts';

const windowMs = 10_000;
/** Milliseconds that the mail server takes for a mail. */
const mailTakes = 200;
const mostMs = 120_000;

const passwordOf = (name: string): string => name.replace('user', 'pass-');

/** The measurement. */
export const mailCodes: Measurement = {
  name: 'mail-codes',
  title: 'codes by mail: 500 asked for within ten seconds, of a server that takes 200 ms for each',
  run: async (ground, { quick }, say) => {
    const [asking, others] = quick ? [100, 20] : [500, 100];
    const scope = new Scope();
    try {
      const people = Array.from({ length: asking }, (_, index) => `coded${String(index + 1).padStart(4, '0')}`);
      const names = Array.from({ length: 2 * others }, (_, index) => `user${String(index + 1).padStart(4, '0')}`);
      const withMail = people.map((uid) => ({ uid, password: passwordOf(uid), email: `${uid}@bench.example` }));
      const slapd = await startSlapd(scope.context, { people: withMail, many: names.length });
      const smtp = await startSmtpServer(scope.context, { security: 'none', delay: mailTakes });
      const login = ldapLogin(slapd).login as object;
      const gateway = await gatehouse(
        { ...ground, folder: ownFolder(ground, 'mail-codes'), users: 0 },
        {
          ...{ name: 'gatehouse', title: 'Gatehouse' },
          routes: [{ location: '/', upstream: `http://127.0.0.1:${ground.upstream}` }],
          more: {
            ...ldapLogin(slapd),
            login: { ...login, level: [{ level: 1 }, { level: 2, roles: ['coded'] }] },
            roles: { coded: { users: people } },
            messages: { mail: { url: smtp.url, from: 'no-reply@bench.example' } },
            factors: { email: { type: 'mail' } },
            factorRules: { sends: { address: { count: 10 * asking } } },
          },
        },
      );
      scope.after(gateway.end);
      const dispatcher = new Agent({ connections: 64 });
      scope.after(() => dispatcher.destroy());
      /** Milliseconds of the answer to a password, which leads on to `where`. */
      const signIn = async (name: string, where: RegExp): Promise<number> => {
        const visitor = new Visitor(new URL(gateway.url), dispatcher);
        const page = await visitor.open('/_gate/login?return=%2Fpage');
        const startedAt = performance.now();
        const fields = { ...hiddenFields(page.text), username: name, password: passwordOf(name) };
        const answer = await visitor.post('/_gate/login', fields);
        const milliseconds = performance.now() - startedAt;
        if (answer.status !== 303 || !where.test(String(answer.headers.location)))
          throw new Error(`the login of ${name} is answered with ${answer.status}: ${answer.headers.location}`);
        return milliseconds;
      };
      const within = (some: readonly string[], where: RegExp): Promise<number[]> =>
        Promise.all(
          some.map(async (name, index) => {
            await delay((index * windowMs) / some.length);
            return signIn(name, where);
          }),
        );
      const plain = /^\/page$/;
      const calm = await within(names.slice(0, others), plain);
      const startedAt = performance.now();
      const [pages, during] = await Promise.all([
        within(people, /^\/_gate\/factor\?/),
        within(names.slice(others), plain),
      ]);
      while (smtp.mails.length < asking && performance.now() - startedAt < mostMs) await delay(50);
      const sent = smtp.mails.length;
      if (sent < asking) throw new Error(`${sent} of ${asking} mails were sent within ${mostMs / 1000} s`);
      const seconds = (performance.now() - startedAt) / 1000;
      const [slowest, ratio] = [Math.max(...pages), median(during) / median(calm)];
      say(`mail-codes: ${asking} mails in ${seconds.toFixed(1)} s, the slowest page ${slowest.toFixed(0)} ms`);
      const note = `${asking} people within ${windowMs / 1000} s; the server takes ${mailTakes} ms for a mail`;
      const beside = `median of ${others} logins without a code: ${median(during).toFixed(1)} ms beside ${median(calm).toFixed(1)} ms`;
      return [
        figure('mail-codes-sent', 'codes by mail: until the last is sent', seconds, 's', note),
        figure(
          'mail-codes-page',
          'codes by mail: the slowest page',
          slowest / 1000,
          's',
          `p99 ${quantile(pages, 0.99).toFixed(0)} ms`,
        ),
        figure('mail-codes-others', 'codes by mail: other logins meanwhile, against before', ratio, 'x', beside),
      ];
    } finally {
      await scope.end();
    }
  },
};
