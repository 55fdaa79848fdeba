/** French sentences of the pages between the first proof and the session. */
import type { enrol as englishEnrol, factor as englishFactor } from './en-factors.ts';

const minutes = (count: number): string => (count <= 1 ? 'une minute' : `${count} minutes`);

/** Proving a factor. */
export const factor: typeof englishFactor = {
  titleChoose: 'Confirmez que c’est bien vous',
  leadChoose: 'Votre mot de passe seul ne suffit pas ici. Choisissez comment continuer.',
  title: 'Saisissez votre code',
  names: { totp: 'Application d’authentification' },
  prompts: {
    totp: 'Ouvrez l’application d’authentification de votre téléphone et saisissez le code qu’elle affiche pour ce site.',
  },
  prompt: 'Saisissez le code.',
  sentTo: (contact) => `Il a été envoyé à ${contact}.`,
  code: (digits) => (digits === undefined ? 'Code' : `Code à ${digits} chiffres`),
  submit: 'Continuer',
  others: 'Utiliser un autre moyen',
  restart: 'Recommencer',
  timeLeft: (count) => `Vous avez ${minutes(count)} pour terminer.`,
  clock: (seconds, isAhead) =>
    `Le code est bon, mais l’horloge de votre téléphone ${isAhead ? 'avance' : 'retarde'} d’environ ${minutes(Math.max(1, Math.round(seconds / 60)))}. Réglez-la par le réseau, puis saisissez le code suivant.`,
  problems: {
    'code-wrong': 'Le code est faux. Saisissez celui qui est affiché en ce moment.',
    'code-expired': 'Le code a expiré.',
    'code-replayed': 'Ce code a déjà servi. Attendez le suivant.',
    'factor-locked': 'Il y a eu trop de codes faux pour ce compte.',
    'factor-hard-locked':
      'Il y a eu trop de codes faux pour ce compte. Demandez à votre administrateur de le débloquer.',
    refused: 'Ce n’est pas possible avec ce compte pour le moment. Choisissez un autre moyen, s’il y en a un.',
    unavailable: 'Ce n’est pas possible pour le moment. Votre code n’a pas été vérifié.',
  },
  titleOver: 'Vous n’êtes pas connecté',
  over: {
    expired: 'La connexion a pris trop de temps, ou a été terminée dans un autre onglet. Veuillez recommencer.',
    ended: 'Votre compte ne permet plus de se connecter ici. Adressez-vous à votre administrateur.',
    missing: 'Votre compte demande un second facteur, et n’en a aucun qui soit utilisable ici.',
    closed: 'Votre compte demande un second facteur, et vous ne pouvez pas en configurer un ici.',
  },
};

/** Setting one up. */
export const enrol: typeof englishEnrol = {
  titleChoose: 'Configurez un second facteur',
  leadChoose: 'Désormais votre mot de passe seul ne suffit plus. Choisissez ce que vous voulez configurer.',
  title: 'Configurez votre application d’authentification',
  lead: 'Scannez cette image avec l’application d’authentification de votre téléphone, puis saisissez le code affiché.',
  qr: 'Code QR pour votre application d’authentification',
  byHand: 'Si vous ne pouvez pas la scanner, saisissez ceci dans l’application :',
  name: 'Nom de cet appareil (facultatif)',
  submit: 'Configurer et continuer',
};
