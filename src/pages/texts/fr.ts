/** Every French sentence of the pages. Narrow spaces before double punctuation are written as \u202f. */
import type { Texts } from './en.ts';
import { errors } from './fr-errors.ts';
import { enrol, factor, ownFactors, pass, passkey } from './fr-factors.ts';

const seconds = (count: number): string => {
  if (count < 90) return count === 1 ? '1 seconde' : `${count} secondes`;
  const minutes = Math.ceil(count / 60);
  return minutes < 90 ? `${minutes} minutes` : `${Math.ceil(minutes / 60)} heures`;
};

/** The texts in French. */
export const fr: Texts = {
  common: {
    home: 'Aller à la page d’accueil',
    retry: 'Réessayer',
    signIn: 'Se connecter',
    cancel: 'Annuler',
    help: 'Besoin d’aide\u202f?',
    reference: 'Référence',
    referenceHint: 'Donnez cette référence à votre support si le problème persiste.',
    errorPrefix: 'Erreur\u202f: ',
    signedInAs: 'Connecté en tant que',
    account: 'Compte',
    notYou: 'Se connecter avec un autre compte',
    soon: 'Réessayez dans un instant.',
    wait: ['Réessayez dans ', '.'],
    seconds,
    waited: 'Vous pouvez réessayer maintenant.',
    byItself: 'Cette page réessaie d’elle-même.',
    languageName: 'Français',
  },
  login: {
    title: 'Connexion',
    lead: (site) => `pour accéder à ${site}`,
    username: 'Nom d’utilisateur',
    password: 'Mot de passe',
    submit: 'Se connecter',
    or: 'ou',
    with: (name) => `Continuer avec ${name}`,
    lastUsed: 'Dernière utilisée',
    showPassword: 'Afficher le mot de passe',
    hidePassword: 'Masquer le mot de passe',
    capsLock: 'La touche Verr. Maj est active.',
    busy: 'Un instant…',
    forgot: 'Mot de passe oublié\u202f?',
    none: 'Aucun moyen de connexion n’est disponible ici.',
    offline:
      'L’annuaire est injoignable pour le moment. Qui s’est connecté ici récemment peut tout de même se connecter, avec moins de droits.',
  },
  notices: {
    'login-failed': 'Le nom d’utilisateur ou le mot de passe est incorrect.',
    'password-wrong': 'Le mot de passe est incorrect.',
    incomplete: 'Saisissez votre nom d’utilisateur et votre mot de passe.',
    'too-many-failures': 'Trop de tentatives ont échoué.',
    unavailable: 'La connexion est impossible pour le moment. Votre mot de passe n’a pas été vérifié.',
    'offline-failed':
      'L’annuaire est injoignable. Le nom d’utilisateur ou le mot de passe est erroné, ou vous ne vous êtes pas connecté ici récemment.',
    'method-unavailable':
      'Cette façon de se connecter est impossible pour le moment. Choisissez-en une autre, s’il y en a une.',
    'password-stuck':
      'Votre mot de passe a expiré ou doit être changé, et ce n’est pas possible ici. Demandez-en un nouveau à votre administrateur.',
    'not-admitted':
      'Votre compte est connu, mais il ne peut pas être utilisé ici. Demandez à votre administrateur de l’activer.',
    'session-idle': 'Vous avez été déconnecté après une période d’inactivité.',
    'session-ended': 'Votre session est terminée. Reconnectez-vous pour continuer.',
    'cookie-missing':
      'Votre navigateur n’a envoyé aucun cookie, la connexion est donc impossible. Autorisez les cookies pour ce site et ouvrez-le à sa propre adresse, depuis la page d’accueil.',
    'flow-expired': 'La connexion a pris trop de temps. Veuillez recommencer.',
    'method-failed': 'Cette façon de se connecter n’a pas fonctionné. Réessayez ou choisissez-en une autre.',
    'form-kept':
      'Votre session est terminée. Votre formulaire est conservé\u202f: connectez-vous, et vous pourrez l’envoyer.',
  },
  stepUp: {
    title: 'Veuillez confirmer votre mot de passe',
    titleOther: 'Veuillez confirmer votre identité',
    lead: 'Votre connexion date d’un moment, et cette page demande une nouvelle preuve de votre identité.',
    submit: 'Confirmer',
  },
  newPassword: {
    title: 'Choisissez un nouveau mot de passe',
    leadExpired: 'Votre mot de passe a expiré. Choisissez-en un nouveau pour continuer.',
    leadMustChange: 'Votre mot de passe doit être modifié avant de continuer.',
    current: 'Mot de passe actuel',
    next: 'Nouveau mot de passe',
    repeat: 'Le nouveau, encore une fois',
    submit: 'Modifier le mot de passe',
    problems: {
      mismatch: 'Les deux nouveaux mots de passe sont différents.',
      same: 'Le nouveau mot de passe doit être différent de l’actuel.',
      refused: 'Le nouveau mot de passe a été refusé. Choisissez-en un plus long, ou que vous n’avez jamais utilisé.',
      'too-short': 'Le nouveau mot de passe est trop court.',
      'too-long': 'Le nouveau mot de passe est trop long.',
      common:
        'Beaucoup de gens utilisent ce mot de passe\u202f: c’est l’un des premiers que l’on essaie. Choisissez-en un autre.',
      personal:
        'Le nouveau mot de passe n’est guère plus que votre nom, votre adresse ou le nom du site. Choisissez-en un autre.',
      leaked:
        'Ce mot de passe figure dans des listes de mots de passe divulgués. Choisissez-en un autre, et changez-le partout où vous l’utilisez.',
      'too-simple':
        'Le nouveau mot de passe est trop facile à deviner. Mélangez lettres, chiffres et signes, ou allongez-le.',
      'too-young': 'Votre mot de passe a été modifié il y a peu. Il ne peut pas encore l’être de nouveau.',
      'used-before': 'Vous avez déjà utilisé ce mot de passe. Choisissez-en un autre.',
      expired: 'Cela a pris un moment. Saisissez encore une fois votre mot de passe actuel, et le nouveau.',
    },
    rules:
      'Plus il est long, mieux c’est\u202f: quelques mots qui n’appartiennent qu’à vous. Il doit être différent de l’actuel.',
    atLeast: (characters) => `Il compte au moins ${characters} caractères.`,
    compose: (kinds) => `Dont au moins\u202f: ${kinds.join(', ')}.`,
    kinds: {
      upper: (count) => `${count} ${count === 1 ? 'majuscule' : 'majuscules'}`,
      lower: (count) => `${count} ${count === 1 ? 'minuscule' : 'minuscules'}`,
      digit: (count) => `${count} ${count === 1 ? 'chiffre' : 'chiffres'}`,
      other: (count) => `${count} ${count === 1 ? 'autre signe' : 'autres signes'}`,
    },
  },
  account: {
    title: 'Votre compte',
    password: 'Mot de passe',
    elsewhere: (method) => `Vous vous connectez avec ${method}, et votre mot de passe se modifie là-bas.`,
    endsOthers: 'Quand vous le modifiez, vos sessions sur d’autres appareils se terminent. Celle-ci continue.',
    changed: (count) => {
      if (count === 0) return 'Votre mot de passe a été modifié.';
      return `Votre mot de passe a été modifié, et ${count === 1 ? 'une autre session a été terminée' : `${count} autres sessions ont été terminées`}.`;
    },
    failures: {
      'password-wrong': 'Le mot de passe actuel est incorrect. Rien n’a été modifié.',
      incomplete: 'Saisissez aussi votre mot de passe actuel.',
      'too-many-failures': 'Trop de tentatives ont échoué.',
      unavailable:
        'Le service qui garde votre mot de passe n’a pas répondu à temps. Réessayez dans un instant\u202f; si le mot de passe actuel est alors refusé, le nouveau compte déjà.',
      'not-here': 'Votre mot de passe ne peut pas être modifié ici. Adressez-vous à votre administrateur.',
    },
  },
  signedOut: {
    title: 'Vous êtes déconnecté',
    body: 'Vous pouvez fermer cette fenêtre.',
    stillElsewhere:
      'Vous êtes peut-être encore connecté auprès de votre fournisseur d’identité. Sur un ordinateur partagé, fermez le navigateur.',
    again: 'Se reconnecter',
  },
  logout: {
    title: 'Se déconnecter\u202f?',
    body: 'Les appels, conversations et affichages en direct de ce navigateur s’arrêtent aussitôt.',
    submit: 'Se déconnecter',
    stay: 'Rester connecté',
  },
  sessions: {
    title: 'Vos sessions',
    lead: 'Ces appareils sont connectés avec votre compte. Si vous n’en reconnaissez pas un, terminez sa session et changez votre mot de passe.',
    current: 'Cet appareil',
    newDevice: 'Nouvel appareil',
    signedIn: 'Connexion',
    lastActive: 'Dernière activité',
    address: 'Adresse',
    method: 'Avec',
    end: 'Terminer',
    endLabel: (device) => `Terminer la session sur ${device}`,
    endOthers: 'Terminer toutes les autres sessions',
    onlyThis: 'Il n’y a pas d’autre session.',
    ended: (count) => (count === 1 ? 'Une session a été terminée.' : `${count} sessions ont été terminées.`),
    browserOn: (browser, system) => `${browser} sur ${system}`,
    unknownDevice: 'Appareil inconnu',
    back: 'Retour',
  },
  start: {
    title: 'Vos applications',
    nothing: 'Aucune application ne vous est ouverte ici.',
    you: 'Vous',
    account: 'Votre compte',
  },
  tenant: {
    title: 'Choisissez une société',
    lead: 'Votre compte appartient à plusieurs sociétés. Choisissez celle pour laquelle vous allez travailler maintenant.',
  },
  denied: {
    title: 'Vous n’avez pas accès à cette page',
    role: 'Il manque à votre compte le droit que cette page demande.',
    openTo: 'Cette page est ouverte à\u202f:',
    closed: 'Cette page est fermée à tous.',
    provider: 'Cette page demande de se connecter autrement.',
    openToProviders: 'Connectez-vous avec\u202f:',
    otherWay: 'Se connecter autrement',
    signInAgain: 'Se connecter avec un autre compte',
    network: 'Cette page ne s’ouvre que depuis certains réseaux, et votre appareil n’est dans aucun d’eux.',
    tenantMissing: 'Vous êtes bien reconnu, mais votre compte n’appartient à aucune société qui utilise ce site.',
    tenantAmbiguous:
      'Vous êtes bien reconnu, mais votre compte appartient à plusieurs sociétés, et ce site ne peut savoir laquelle est la bonne.',
    tenantMismatch: 'Cette page appartient à une autre société que votre compte.',
    policy: 'Impossible de déterminer pour le moment si vous pouvez voir cette page.',
    ask: ['Si vous en avez besoin pour votre travail, adressez-vous à ', '.'],
    defaultContact: 'votre superviseur ou votre administrateur',
  },
  loop: {
    title: 'La connexion tourne en rond',
    body: 'Vous avez été renvoyé plusieurs fois de suite vers la connexion, sans succès. Nous avons arrêté pour que cela ne dure pas indéfiniment.',
    tips: [
      'Vérifiez que votre navigateur accepte les cookies de ce site.',
      'Fermez les autres onglets en cours de connexion.',
    ],
    otherWay: 'Se connecter avec un nom d’utilisateur et un mot de passe',
    signedIn: {
      body: 'Vous êtes connecté, mais la page que vous avez ouverte vous renvoie chaque fois vers la connexion. Nous avons arrêté pour que cela ne dure pas indéfiniment.',
      tips: [
        'L’application ne connaît peut-être pas votre compte, ou sa propre session est terminée\u202f: réessayez dans un instant.',
        'Si cela continue, dites à votre administrateur que l’application n’accepte pas l’utilisateur connecté ici.',
      ],
    },
  },
  notSent: {
    title: 'Votre formulaire n’a pas été envoyé',
    body: 'Votre session était terminée quand vous avez envoyé le formulaire\u202f: il n’est pas arrivé à l’application.',
    reasons: {
      'not-kept': 'Votre saisie n’est pas conservée ici.',
      'too-large': 'Il était trop volumineux pour être conservé.',
      expired: 'Il a été conservé pour vous, mais trop de temps a passé.',
    },
    advice: 'Revenez en arrière dans votre navigateur pour retrouver votre saisie, puis envoyez-la de nouveau.',
    open: 'Ouvrir la page',
  },
  replay: {
    title: 'Envoyer votre formulaire\u202f?',
    body: 'Vous avez envoyé un formulaire alors que votre session était terminée. Il a été conservé pendant votre connexion et n’est pas encore arrivé à l’application.',
    to: 'Il est destiné à',
    fields: (count) => (count === 1 ? 'Il contient 1 champ' : `Il contient ${count} champs`),
    caution: 'Si vous n’avez pas envoyé de formulaire, ne l’envoyez pas maintenant.',
    submit: 'Envoyer le formulaire',
    discard: 'Ne pas l’envoyer',
  },
  factor,
  enrol,
  ownFactors,
  passkey,
  pass,
  errors,
};
