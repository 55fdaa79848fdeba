/** French sentences of the pages between the first proof and the session. */
import type {
  enrol as englishEnrol,
  factor as englishFactor,
  ownFactors as englishOwnFactors,
  pass as englishPass,
  passkey as englishPasskey,
} from './en-factors.ts';

const minutes = (count: number): string => (count <= 1 ? 'une minute' : `${count} minutes`);

/** Proving a factor. */
export const factor: typeof englishFactor = {
  titleChoose: 'Confirmez que c’est bien vous',
  leadChoose: 'Votre mot de passe seul ne suffit pas ici. Choisissez comment continuer.',
  title: 'Saisissez votre code',
  names: {
    totp: 'Application d’authentification',
    webauthn: 'Clé de sécurité',
    mail: 'Code par e-mail',
    sms: 'Code par SMS',
    webservice: 'Code de mon appareil',
    recovery: 'Code de secours',
    pass: 'Laissez-passer de mon superviseur',
  },
  prompts: {
    totp: 'Ouvrez l’application d’authentification de votre téléphone et saisissez le code qu’elle affiche pour ce site.',
    mail: 'Saisissez le code de l’e-mail que nous vous avons envoyé.',
    sms: 'Saisissez le code du SMS que nous vous avons envoyé.',
    webservice: 'Saisissez le code de vérification de votre appareil pour vous connecter.',
    recovery: 'Saisissez l’un des codes de secours que vous avez imprimés ou notés. Chacun ne sert qu’une fois.',
    pass: 'Saisissez le code que votre superviseur vous a donné.',
  },
  prompt: 'Saisissez le code.',
  methods: 'D’où vient votre code ?',
  resend: 'Envoyer un autre code',
  sendsLeft: (count) => (count === 1 ? 'Un seul peut encore être envoyé.' : `${count} peuvent encore être envoyés.`),
  key: {
    title: 'Touchez votre clé de sécurité',
    lead: 'Insérez votre clé de sécurité, ou approchez-la du lecteur, et touchez-la quand elle clignote.',
    start: 'Utiliser ma clé de sécurité',
    without:
      'Ce navigateur ne peut pas demander de clé de sécurité, ou ses scripts sont désactivés. Utilisez un autre moyen.',
    denied: 'Aucune clé n’a été touchée, ou ce n’est pas l’une des vôtres. Réessayez.',
    known: 'Cette clé est déjà configurée pour votre compte.',
    failed: 'La clé n’a pas répondu. Retirez-la, remettez-la et réessayez.',
  },
  sentTo: (contact) => `Il a été envoyé à ${contact}.`,
  code: (digits) => (digits === undefined ? 'Code' : `Code à ${digits} chiffres`),
  remember: {
    label: {
      hours: (count) => `Ne plus demander dans ce navigateur pendant ${count === 1 ? 'une heure' : `${count} heures`}`,
      days: (count) => `Ne plus demander dans ce navigateur pendant ${count} jours`,
    },
    hint: 'Pour votre compte seulement. Laissez cette case vide sur un poste ou un appareil que d’autres utilisent.',
  },
  submit: 'Continuer',
  others: 'Utiliser un autre moyen',
  restart: 'Recommencer',
  timeLeft: (count) => `Vous avez ${minutes(count)} pour terminer.`,
  clock: (seconds, isAhead) =>
    `Le code est bon, mais l’horloge de votre téléphone ${isAhead ? 'avance' : 'retarde'} d’environ ${minutes(Math.max(1, Math.round(seconds / 60)))}. Réglez-la par le réseau, puis saisissez le code suivant.`,
  problems: {
    'code-wrong': 'Ce code est faux. Vérifiez-le, et saisissez-le de nouveau.',
    'code-expired': 'Le code a expiré.',
    'code-replayed': 'Ce code a déjà servi. Attendez le suivant.',
    'enrolment-code-wrong': 'Ce n’est pas le code de votre compte, ou il a déjà servi.',
    'factor-locked': 'Il y a eu trop de codes faux pour ce compte.',
    'factor-hard-locked':
      'Il y a eu trop de codes faux pour ce compte. Demandez à votre administrateur de le débloquer.',
    'key-wrong': 'Cette clé n’a pas été acceptée. Utilisez celle que vous avez configurée pour ce compte.',
    'not-verified': 'La clé doit vous reconnaître par son code PIN ou votre doigt.',
    'pass-spent': 'Ce laissez-passer a déjà servi. Demandez-en un autre à votre superviseur.',
    'contact-wrong': 'Aucun code ne peut y être envoyé. Vérifiez ce que vous avez saisi.',
    'no-contact': 'Nous ne connaissons de vous ni adresse ni numéro où envoyer un code. Choisissez un autre moyen.',
    'too-many-sends': 'Plus aucun code n’est envoyé pour le moment.',
    'send-failed': 'Le code n’a pas pu vous être remis. Choisissez un autre moyen, ou réessayez.',
    'not-kept': 'Cochez la case quand vous avez imprimé ou noté les codes.',
    refused: 'Ce n’est pas possible avec ce compte pour le moment. Choisissez un autre moyen, s’il y en a un.',
    unavailable: 'Ce n’est pas possible pour le moment. Votre code n’a pas été vérifié.',
  },
  titleDone: 'Vous êtes connecté',
  done: 'Cette étape était déjà terminée, peut-être dans un autre onglet, ou a pris trop de temps. Il n’y a plus rien à faire ici.',
  titleOver: 'Vous n’êtes pas connecté',
  over: {
    cookies:
      'Votre navigateur n’a envoyé aucun cookie, la connexion ne peut donc pas continuer. Autorisez les cookies pour ce site, puis recommencez.',
    expired: 'La connexion a pris trop de temps, ou a été terminée dans un autre onglet. Veuillez recommencer.',
    tries: 'Il y a eu trop de codes faux, ou trop ont été envoyés. Veuillez recommencer.',
    help: 'Vous ne pouvez pas continuer seul ici.',
    contact: 'Nous ne connaissons de vous ni adresse ni numéro où envoyer un code.',
    ended: 'Votre compte ne permet plus de se connecter ici. Adressez-vous à votre administrateur.',
    missing: 'Votre compte demande un second facteur, et n’en a aucun qui soit utilisable ici.',
    unconfirmed:
      'Le service où vous vous êtes identifié n’a pas confirmé pour votre compte ce que cette page demande, et vous n’avez aucun second facteur qui puisse être demandé à la place.',
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
  key: {
    title: 'Configurez votre clé de sécurité',
    lead: 'Insérez votre clé de sécurité, nommez-la si vous en avez plusieurs, puis appuyez sur le bouton et touchez-la.',
    start: 'Configurer ma clé de sécurité',
    name: 'Nom de cette clé (facultatif)',
  },
  code: {
    title: 'Saisissez votre code d’inscription',
    lead: 'Avant de configurer votre premier second facteur, saisissez le code que votre superviseur ou votre administrateur vous a donné pour cela.',
  },
  spare: {
    title: 'Gardez vos codes de secours',
    lead: (count) =>
      `Ces ${count} codes vous ouvrent la porte si votre clé ou votre téléphone est perdu. Chacun ne sert qu’une fois, et vous ne les voyez que maintenant : imprimez cette page, ou notez-les.`,
    kept: 'J’ai imprimé ces codes ou les ai notés',
  },
  contact: {
    mail: {
      title: 'Configurez les codes par e-mail',
      lead: 'Saisissez l’adresse e-mail à laquelle vos codes de connexion doivent arriver. Nous y envoyons un premier code maintenant.',
      field: 'Adresse e-mail',
    },
    sms: {
      title: 'Configurez les codes par SMS',
      lead: 'Saisissez le numéro du téléphone sur lequel vos codes de connexion doivent arriver. Nous y envoyons un premier code maintenant.',
      field: 'Numéro de téléphone',
    },
    told: (contact) =>
      `Vos codes de connexion arrivent à ${contact}. Pour vérifier que c’est bien le vôtre, nous y envoyons un premier code.`,
    send: 'Envoyer le code',
    prove: 'Saisissez le code que nous y avons envoyé. Vos codes y arriveront désormais.',
  },
};

/** One's own factors, on the page of the account. */
export const ownFactors: typeof englishOwnFactors = {
  title: 'Seconds facteurs',
  none: 'Vous n’en avez configuré aucun.',
  since: (date) => `Configuré le ${date}.`,
  lastUsed: (date) => `Dernière utilisation le ${date}.`,
  left: (count) => (count <= 3 ? `Il n’en reste que ${count}, faites-en de nouveaux.` : `Il en reste ${count}.`),
  change: 'Modifier',
  name: 'Nom',
  rename: 'Enregistrer le nom',
  remove: 'Supprimer',
  add: (what) => `Ajouter : ${what}`,
  browsers: {
    title: 'Navigateurs reconnus',
    lead: 'Dans ces navigateurs, aucun second facteur ne vous est demandé pour vous connecter.',
    here: 'Ce navigateur',
    since: (since, until) => `Depuis le ${since}, jusqu’au ${until}.`,
    forget: 'Oublier',
    forgetLabel: (device) => `Oublier : ${device}`,
    forgetAll: 'Oublier tous les navigateurs',
  },
  last: 'C’est votre seul second facteur, et il vous en faut un pour vous connecter ici. Ajoutez-en un autre avant de le supprimer.',
};

/** Passes and enrolment codes, for those who hand them out. */
export const pass: typeof englishPass = {
  title: 'Laissez-passer',
  lead: 'Pour quelqu’un qui a oublié sa clé ou son téléphone. Assurez-vous de savoir qui est devant vous.',
  what: 'Pour quoi faire ?',
  whats: {
    pass: 'Une connexion sans clé ni téléphone',
    code: 'Configurer la première clé ou le premier téléphone',
    reset: 'Une clé ou un téléphone perdu : tout retirer et déconnecter partout',
  },
  user: 'Nom d’utilisateur de l’agent',
  submit: 'Continuer',
  pass: (user) => `Laissez-passer pour ${user}`,
  code: (user) => `Code d’inscription pour ${user}`,
  reset: (user) => `Tout ce que ${user} avait configuré est retiré, et ${user} est déconnecté partout.`,
  use: (uses, hours) =>
    `${uses === 1 ? 'Il sert une fois' : uses >= 1000 ? 'Il sert autant que nécessaire' : `Il sert ${uses} fois`}, pendant ${hours === 1 ? 'une heure' : `${hours} heures`}. Vous ne le voyez que maintenant.`,
  refused: 'Vous ne pouvez pas créer de code pour cet utilisateur.',
  'has-factors': 'Cet utilisateur a déjà configuré une clé ou une application. Créez un laissez-passer.',
  'too-many': 'Vous avez créé beaucoup de codes depuis une heure. Réessayez plus tard.',
};

/** Signing in with a passkey alone. */
export const passkey: typeof englishPasskey = {
  title: 'Se connecter avec une clé d’accès',
  lead: 'Prenez votre clé de sécurité ou votre téléphone. Votre code PIN, votre doigt ou votre visage vous sera demandé.',
  start: 'Utiliser ma clé d’accès',
  others: 'Se connecter autrement',
  denied: 'Aucune clé d’accès n’a servi, ou aucune n’est pour ce site. Réessayez, ou connectez-vous autrement.',
  problems: {
    foreign:
      'Cette clé d’accès n’a pas été acceptée. Prenez celle que vous avez configurée ici, ou connectez-vous autrement.',
    'not-verified':
      'Votre clé doit vous reconnaître par son code PIN ou votre doigt. Si elle ne peut pas, connectez-vous autrement.',
    ended:
      'Votre clé d’accès est bonne, mais votre compte ne peut pas servir en ce moment. Adressez-vous à votre administrateur.',
    'password-due':
      'Votre clé d’accès est bonne, mais votre mot de passe doit d’abord être changé. Connectez-vous une fois avec lui.',
    elsewhere:
      'Votre clé d’accès est bonne, mais elle ne sert ici qu’après une autre façon de se connecter, celle du jour où vous l’avez configurée.',
    expired: 'Cette page est restée ouverte trop longtemps. Réessayez.',
    unavailable: 'La connexion n’est pas possible en ce moment, car votre compte ne peut pas être consulté.',
  },
};
