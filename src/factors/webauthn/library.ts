/** The library of keys, loaded when the first is set up or asked for: it takes memory that a site without keys need not have. */

/** Its functions. */
export const library = (): Promise<typeof import('@simplewebauthn/server')> => import('@simplewebauthn/server');
