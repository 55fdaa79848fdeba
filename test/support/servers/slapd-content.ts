/** What stands in a test's directory, below a base, and how it is written: for slapadd, and as changes for a server that runs. */

/** A user of the directory; `attributes` adds to or replaces what a person has. */
export interface Person {
  readonly uid: string;
  readonly password: string;
  readonly name?: string;
  readonly email?: string;
  /** In place of `uid=…`, below `ou=people`. */
  readonly rdn?: string;
  /**
   * Strict: locked after three failures, passwords of eight characters or more. Expiring: a password ends one second after it
   * was set.
   */
  readonly policy?: 'strict' | 'expiring' | 'remembering' | 'young';
  readonly attributes?: Attributes;
}

/** Attributes of an entry by their names. */
export type Attributes = Readonly<Record<string, string | readonly string[]>>;

/** What is in the directory. */
export interface DirectoryContent {
  readonly people?: readonly Person[];
  /** Names of groups with their members: user ids, or `group:NAME` for a group in a group. */
  readonly groups?: Readonly<Record<string, readonly string[]>>;
  /** So many more users, `user0001` on, all with the password `pass-NUMBER`. */
  readonly many?: number;
  /** More entries, each by its DN without the base. */
  readonly entries?: readonly { readonly below: string; readonly attributes: Attributes }[];
}

/** Who may read everything. */
export const manager = { uid: 'reader', password: 'reads-3f81c2' } as const;

interface Entry {
  readonly dn: string;
  readonly attributes: Attributes;
}

/** The DN of a user in `ou=people` below a base. */
export function personDn(uid: string, base: string): string {
  return `uid=${escapeValue(uid)},ou=people,${base}`;
}

/** The content as slapadd reads it, which keeps no `memberOf` by itself. */
export function contentForSlapadd(base: string, content: DirectoryContent): string {
  const { groups = {} } = content;
  const groupsOf = (member: string) =>
    Object.keys(groups)
      .filter((name) => groups[name]?.includes(member))
      .map((name) => groupDn(name, base));
  return [
    ...units(base),
    ...peopleOf(base, content).map(([uid, { dn, attributes }]) => ({
      dn,
      attributes: { memberOf: groupsOf(uid), ...attributes },
    })),
    ...groupsIn(base, content).map(([name, { dn, attributes }]) => ({
      dn,
      attributes: { ...attributes, memberOf: groupsOf(`group:${name}`) },
    })),
    ...moreEntries(base, content),
  ]
    .map(({ dn, attributes }) => [line('dn', dn), ...lines(attributes), ''].join('\n'))
    .join('\n');
}

/**
 * The content as changes for ldapmodify. The server keeps `memberOf` of the members that are there, so groups get theirs when all
 * of them are.
 */
export function contentAsChanges(base: string, content: DirectoryContent): string {
  const groups = groupsIn(base, content).map(([, group]) => group);
  const add = ({ dn, attributes }: Entry) => [line('dn', dn), 'changetype: add', ...lines(attributes), ''].join('\n');
  const setMembers = ({ dn, attributes: { member = [] } }: Entry) =>
    [line('dn', dn), 'changetype: modify', 'replace: member', ...lines({ member }), ''].join('\n');
  return [
    ...units(base).map(add),
    ...peopleOf(base, content).map(([, person]) => add(person)),
    ...groups.map(({ dn, attributes }) => add({ dn, attributes: { ...attributes, member: `cn=nobody,${base}` } })),
    ...groups.map(setMembers),
    ...moreEntries(base, content).map(add),
  ].join('\n');
}

function units(base: string): Entry[] {
  const policy = (name: string, attributes: Attributes) => ({
    dn: policyDn(name, base),
    attributes: { objectClass: ['device', 'pwdPolicy'], cn: name, pwdAttribute: '2.5.4.35', ...attributes },
  });
  const [, kind = '', name = ''] = /^(\w+)=([^,]+)/.exec(base) ?? [];
  const root = kind === 'dc' ? ['dcObject', 'organization'] : ['organizationalUnit'];
  return [
    { dn: base, attributes: { objectClass: root, [kind]: name, ...(kind === 'dc' && { o: 'Example' }) } },
    ...['people', 'groups', 'policies'].map((ou) => ({
      dn: `ou=${ou},${base}`,
      attributes: { objectClass: 'organizationalUnit', ou },
    })),
    policy('strict', {
      pwdMaxFailure: '3',
      pwdLockout: 'TRUE',
      pwdMustChange: 'TRUE',
      pwdMinLength: '8',
      pwdCheckQuality: '2',
      pwdAllowUserChange: 'TRUE',
    }),
    policy('expiring', { pwdMaxAge: '1' }),
    policy('remembering', { pwdInHistory: '3', pwdAllowUserChange: 'TRUE' }),
    policy('young', { pwdMinAge: '86400', pwdAllowUserChange: 'TRUE' }),
    {
      dn: personDn(manager.uid, base),
      attributes: {
        objectClass: ['account', 'simpleSecurityObject'],
        uid: manager.uid,
        userPassword: manager.password,
      },
    },
  ];
}

function peopleOf(base: string, { people = [], many = 0 }: DirectoryContent): [uid: string, Entry][] {
  const crowd: Person[] = Array.from({ length: many }, (_, index) => {
    const number = String(index + 1).padStart(4, '0');
    return { uid: `user${number}`, password: `pass-${number}`, name: `User ${number}` };
  });
  return [...people, ...crowd].map((person) => {
    const { uid, password, name = uid, email, policy, attributes } = person;
    return [
      uid,
      {
        dn: dnOf(person, base),
        attributes: {
          objectClass: 'inetOrgPerson',
          uid,
          cn: name,
          sn: name,
          userPassword: password,
          ...(email !== undefined && { mail: email }),
          ...(policy && { pwdPolicySubentry: policyDn(policy, base) }),
          ...attributes,
        },
      },
    ];
  });
}

function groupsIn(base: string, { people = [], groups = {} }: DirectoryContent): [name: string, Entry][] {
  const memberDn = (member: string): string => {
    if (member.startsWith('group:')) return groupDn(member.slice(6), base);
    return dnOf(people.find(({ uid }) => uid === member) ?? { uid: member }, base);
  };
  return Object.entries(groups).map(([name, members]) => [
    name,
    {
      dn: groupDn(name, base),
      attributes: { objectClass: 'groupOfNames', cn: name, member: members.map(memberDn) },
    },
  ]);
}

function moreEntries(base: string, { entries = [] }: DirectoryContent): Entry[] {
  return entries.map(({ below, attributes }) => ({ dn: `${below},${base}`, attributes }));
}

function dnOf({ uid, rdn }: Pick<Person, 'uid' | 'rdn'>, base: string): string {
  return rdn === undefined ? personDn(uid, base) : `${rdn},ou=people,${base}`;
}

function groupDn(name: string, base: string): string {
  return `cn=${escapeValue(name)},ou=groups,${base}`;
}

function policyDn(name: string, base: string): string {
  return `cn=${name},ou=policies,${base}`;
}

function escapeValue(value: string): string {
  return value.replace(/[,+"\\<>;=#]/g, (sign) => `\\${sign}`);
}

function lines(attributes: Attributes): string[] {
  return Object.entries(attributes).flatMap(([name, value]) => [value].flat().map((one) => line(name, one)));
}

function line(name: string, value: string): string {
  return `${name}:: ${Buffer.from(value).toString('base64')}`;
}
