/** How values of the API are written. */
import { cleanName } from '../local/names'
import { isolated, written } from '../parts/names'
import { desk } from './desk.svelte'
import type { BanKind, MessageState, Person, State, Trace, TracedMessage } from './api'
import type { Key } from './strings/texts'

/**
 * An address without the server's own domain. What is no address stays as it is. In narrow columns, numbers break
 * between their groups.
 */
export function shortAddress(address: string): string {
  return written(cleanLine(address), desk.me?.domain ?? '').replaceAll('\u00a0', ' ')
}

/** The name that a person has chosen, which may be anything; else the address. */
export function personName({ name, address }: Pick<Person, 'name' | 'address'>): string {
  return cleanName(name) || shortAddress(address)
}

/** The same within a sentence. */
export function named(person: Pick<Person, 'name' | 'address'>): string {
  return isolated(personName(person))
}

/** Text from outside in one line, without characters that are invisible or change the direction of others. */
export function cleanLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, ' ').trim()
}

export const STATES: Record<State, Key> = {
  active: 'state.active',
  suspended: 'state.suspended',
  banned: 'state.banned'
}

export const KINDS: Record<BanKind | 'suspension', Key> = {
  suspension: 'ban.suspension',
  account: 'ban.account',
  number: 'ban.number',
  prefix: 'ban.prefix',
  country: 'ban.country',
  network: 'ban.network'
}

export const MESSAGE_KINDS: Record<TracedMessage['what'], Key> = {
  text: 'trace.text',
  encrypted: 'trace.encrypted',
  receipt: 'trace.receipt',
  marker: 'trace.marker',
  error: 'trace.error',
  other: 'trace.other'
}

export const STEPS: Record<Trace['events'][number]['what'], Key> = {
  received: 'step.received',
  refused: 'step.refused',
  handed: 'step.handed',
  acknowledged: 'step.acknowledged'
}

export const MESSAGE_STATES: Record<MessageState, Key> = {
  delivered: 'trace.delivered',
  handed: 'trace.handed',
  waiting: 'trace.waiting',
  outgoing: 'trace.outgoing',
  sent: 'trace.sent',
  gone: 'trace.gone',
  bounced: 'trace.bounced',
  group: 'trace.group'
}
