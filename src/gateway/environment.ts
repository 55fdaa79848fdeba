/** The environment variables that change a configuration without touching its file; XiVO's own names. */
import { OperatorError } from '../core/errors.ts';

/** A value that stands in place of the file's. */
export interface Override {
  readonly key: readonly (string | number)[];
  readonly value: unknown;
  readonly origin: string;
}

/** What the environment says about the configuration. A value that cannot be read is an OperatorError: never ignored. */
export function environmentOverrides(env: Readonly<Record<string, string | undefined>>): Override[] {
  const overrides: Override[] = [];
  const timeout = env.LOGIN_TIMEOUT_MS;
  if (timeout !== undefined && timeout !== '') {
    if (!/^[1-9]\d{0,8}$/.test(timeout))
      throw new OperatorError(
        'the environment variable LOGIN_TIMEOUT_MS must be a number of milliseconds',
        'set it to a value such as 7000, or unset it',
      );
    overrides.push({ key: ['login', 'timeout'], value: `${timeout}ms`, origin: 'environment LOGIN_TIMEOUT_MS' });
  }
  const prevent = env.AUTH_PREVENT_XUC_LOGIN;
  if (prevent !== undefined && prevent !== '') {
    if (!/^(true|false)$/i.test(prevent))
      throw new OperatorError(
        'the environment variable AUTH_PREVENT_XUC_LOGIN must be true or false',
        'set it to one of them, or unset it',
      );
    if (prevent.toLowerCase() === 'false')
      overrides.push({ key: ['login', 'reservedUsers'], value: [], origin: 'environment AUTH_PREVENT_XUC_LOGIN' });
  }
  return overrides;
}
