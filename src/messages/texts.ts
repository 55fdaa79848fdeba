/** What mails and text messages say, in every language of the pages. A code never stands in a subject: that is shown on locked screens. */

/** The sentences of one language. */
/** What a notice tells of: a factor was set up, one taken off, all of them reset, a recovery code or a pass used. */
export type Notice = 'enrolled' | 'removed' | 'reset' | 'recovery-used' | 'pass-used';

interface MessageTexts {
  readonly subject: (site: string) => string;
  readonly mail: (parts: { readonly code: string; readonly site: string; readonly minutes: number }) => string;
  readonly sms: (parts: { readonly code: string; readonly site: string }) => string;
  readonly notice: (
    notice: Notice,
    parts: { readonly site: string; readonly account: string },
  ) => { readonly subject: string; readonly text: string };
}

const en: MessageTexts = {
  subject: (site) => `Your sign-in code for ${site}`,
  mail: ({ code, site, minutes }) =>
    [
      `Your code to sign in to ${site} is:`,
      '',
      `    ${code}`,
      '',
      `Enter it on the page that asked for it. It is valid for ${minutes} ${minutes === 1 ? 'minute' : 'minutes'} and works once.`,
      'If you did not ask for it, somebody may know your password: change it and tell your support team.',
      '',
    ].join('\n'),
  sms: ({ code, site }) => `${code} is your sign-in code for ${site}. Tell it to nobody.`,
  notice: (notice, { site, account }) => ({
    subject: `Security notice for your account at ${site}`,
    text: [
      {
        enrolled: `A second factor was set up for the account ${account}.`,
        removed: `A second factor of the account ${account} was removed.`,
        reset: `All second factors of the account ${account} were removed by an administrator, and its sessions were ended.`,
        'recovery-used': `A recovery code of the account ${account} was used to sign in.`,
        'pass-used': `A pass for the account ${account} was used to sign in.`,
      }[notice],
      '',
      'If that was not you, tell your support team at once.',
      '',
    ].join('\n'),
  }),
};

const fr: MessageTexts = {
  subject: (site) => `Votre code de connexion à ${site}`,
  mail: ({ code, site, minutes }) =>
    [
      `Votre code pour vous connecter à ${site} est :`,
      '',
      `    ${code}`,
      '',
      `Saisissez-le sur la page qui l'a demandé. Il est valable ${minutes} ${minutes === 1 ? 'minute' : 'minutes'} et ne sert qu'une fois.`,
      "Si vous ne l'avez pas demandé, quelqu'un connaît peut-être votre mot de passe : changez-le et prévenez votre assistance.",
      '',
    ].join('\n'),
  sms: ({ code, site }) => `${code} est votre code de connexion à ${site}. Ne le donnez à personne.`,
  notice: (notice, { site, account }) => ({
    subject: `Avis de sécurité pour votre compte ${site}`,
    text: [
      {
        enrolled: `Un second facteur a été configuré pour le compte ${account}.`,
        removed: `Un second facteur du compte ${account} a été supprimé.`,
        reset: `Tous les seconds facteurs du compte ${account} ont été supprimés par un administrateur, et ses sessions ont été fermées.`,
        'recovery-used': `Un code de secours du compte ${account} a servi à une connexion.`,
        'pass-used': `Un laissez-passer du compte ${account} a servi à une connexion.`,
      }[notice],
      '',
      "Si ce n'était pas vous, prévenez tout de suite votre assistance.",
      '',
    ].join('\n'),
  }),
};

const languages: Readonly<Record<string, MessageTexts>> = { en, fr };

/** The sentences of a language; English where it is none of ours. */
export function messageTexts(language: string): MessageTexts {
  return languages[language] ?? en;
}
