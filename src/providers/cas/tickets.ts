/** Tickets: what one looks like, and that each is taken once, on whichever worker it arrives. */
import { createHash } from 'node:crypto';
import type { Clock } from '../../core/clock.ts';
import type { Store } from '../../core/store.ts';

/** Longer than any server honours a ticket that nobody has validated; afterwards the server itself refuses it. */
const rememberedFor = 3_600_000;

/** Whether a text is a service ticket or a proxy ticket. */
export function isTicket(text: string): boolean {
  return /^(?:ST|PT)-[\w.-]{1,256}$/.test(text);
}

/** Whether a ticket was issued to a service that acts for the user. */
export function isProxyTicket(ticket: string): boolean {
  return ticket.startsWith('PT-');
}

/** Remembers which tickets have been presented. */
export class TicketReplayCache {
  readonly #name: string;
  readonly #store: Store;
  readonly #clock: Clock;

  constructor(name: string, store: Store, clock: Clock) {
    this.#name = name;
    this.#store = store;
    this.#clock = clock;
  }

  /**
   * Takes a ticket; false when it was taken before. One atomic step ahead of the server being asked: of two callbacks at
   * once, one goes on.
   */
  take(ticket: string): Promise<boolean> {
    return this.#store.replace(this.#key(ticket), undefined, 'taken', this.#clock.now() + rememberedFor);
  }

  /** Forgets a ticket that the server has refused, as it always will: anybody can make up such, and without end. */
  async forget(ticket: string): Promise<void> {
    await this.#store.delete(this.#key(ticket));
  }

  #key(ticket: string): string {
    return `cas-ticket:${this.#name}.${createHash('sha256').update(ticket).digest('base64url')}`;
  }
}
