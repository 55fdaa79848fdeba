/** What the pages say of errors in French. */
import type { ErrorCode } from '../../core/errors.ts';
import type { ErrorText } from './en-errors.ts';

/** By the code of the error. */
export const errors: Readonly<Record<ErrorCode, ErrorText>> = {
  BAD_REQUEST: {
    title: 'Cette requête n’est pas valide',
    body: 'L’adresse peut se lire de plusieurs façons, elle n’a donc pas été transmise. Vérifiez-la ou repartez de la page d’accueil.',
  },
  MISDIRECTED: {
    title: 'Ce site a une autre adresse',
    body: 'Vous l’avez ouvert sous un nom qui n’est pas le sien. Continuez vers la bonne adresse.',
  },
  LOGIN_REQUIRED: {
    title: 'Connectez-vous pour continuer',
    body: 'Cette page est réservée aux personnes connectées.',
  },
  LOGIN_FAILED: { title: 'La connexion a échoué', body: 'Le nom d’utilisateur ou le mot de passe est incorrect.' },
  TOO_MANY_FAILURES: {
    title: 'Trop de tentatives',
    body: 'Trop de tentatives ont échoué.',
  },
  PROVIDER_UNAVAILABLE: {
    title: 'La connexion est impossible pour le moment',
    body: 'Le service qui vérifie votre compte ne répond pas. Votre mot de passe n’est pas en cause.',
  },
  ACCESS_DENIED: {
    title: 'Vous n’avez pas accès à cette page',
    body: 'Il manque à votre compte le droit que cette page demande.',
  },
  PEER_CERTIFICATE_REQUIRED: {
    title: 'Cette adresse est réservée aux machines',
    body: 'Elle accepte celles qui présentent un certificat.',
  },
  SECRET_REQUIRED: {
    title: 'Cette adresse est réservée aux machines',
    body: 'Elle accepte celles qui présentent son secret partagé.',
  },
  PEER_REFUSED: {
    title: 'Le certificat de cette machine ne lui donne pas accès',
    body: 'Le responsable de ce service doit l’inscrire ou lui en donner un autre.',
  },
  ORIGIN_MISMATCH: {
    title: 'Cette requête vient d’un autre site',
    body: 'Par sécurité, elle n’a pas été exécutée. Si c’était votre intention, ouvrez la page ici et recommencez.',
  },
  NOT_FOUND: { title: 'Il n’y a rien à cette adresse', body: 'Vérifiez l’adresse ou repartez de la page d’accueil.' },
  UNSUPPORTED_MEDIA_TYPE: {
    title: 'Autre type de requête',
    body: 'Cette adresse attend un autre type de requête.',
  },
  METHOD_NOT_ALLOWED: {
    title: 'Cela ne fonctionne pas à cette adresse',
    body: 'L’adresse existe, mais n’accepte pas ce type de requête.',
  },
  REQUEST_TIMEOUT: {
    title: 'La requête a pris trop de temps',
    body: 'Elle n’est pas arrivée à temps. Vérifiez votre connexion, puis réessayez.',
  },
  PAYLOAD_TOO_LARGE: {
    title: 'C’est trop volumineux',
    body: 'Votre envoi dépasse ce que cette application accepte. Rien n’a été enregistré.',
  },
  UPSTREAM_UNREACHABLE: {
    title: 'L’application ne répond pas',
    body: 'Vous êtes connecté, mais l’application derrière cette page est injoignable.',
  },
  UPSTREAM_BROKE: {
    title: 'La réponse de l’application est inutilisable',
    body: 'Vous êtes connecté, mais la réponse de l’application n’a pas pu être utilisée.',
  },
  UNAVAILABLE: {
    title: 'Indisponible pour le moment',
    body: 'Le service démarre, s’arrête ou est surchargé.',
  },
  UPSTREAM_TIMEOUT: {
    title: 'L’application a mis trop de temps',
    body: 'Vous êtes connecté, mais l’application n’a pas répondu à temps. Votre demande a peut-être été exécutée\u202f: vérifiez avant de la répéter.',
  },
};
