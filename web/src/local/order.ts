/**
 * Where a message stands: text that sorts by time. Ids of Kith's archive (16 hexadecimal digits: milliseconds since
 * 1970 and a counter) are taken as they are; what has none gets one that is made of its time.
 */
import type { Address, Moment } from './types'

const ARCHIVE_ID = /^[0-9a-f]{16}$/
const DIGITS = 11
const ORDER = /^[0-9a-f]{11}(?:[0-9a-f]{5}|-[^\s]{0,2000})$/
const DAY_MS = 86_400_000

/** Whether the archive of a Kith server could have given it. */
export function isArchiveId(id: string): boolean {
  return ARCHIVE_ID.test(id)
}

/** The order of an entry of the archive. */
export function orderOf(id: string, at: Moment): string {
  return ARCHIVE_ID.test(id) ? id : `${hex(at)}-${id}`
}

/** The entry of the archive that an order is, if it is one: those made here have an f where none of an archive has. */
export function entryOf(order: string): string | undefined {
  return isArchiveId(order) && order.charAt(DIGITS) !== 'f' ? order : undefined
}

let counter = 0

/** The order of what was sent at that time, and has no id that is known: each greater than the last of that time. */
export function orderAt(at: Moment): string {
  counter = (counter + 1) % 0x10000
  return `${hex(at)}f${counter.toString(16).padStart(4, '0')}`
}

/** Behind all others; `counter`: the place in the outbox. */
export function orderWaiting(counter: number): string {
  return `~${String(counter).padStart(12, '0')}`
}

export function isWaiting(order: string): boolean {
  return order.startsWith('~')
}

/** Whether a text that somebody else gives can be an order: the archive's, or one made of a time, and not of the future. */
export function isOrder(order: string, now: Moment): boolean {
  return ORDER.test(order) && timeOf(order) <= now + DAY_MS
}

/** The time that an order tells. */
export function timeOf(order: string): Moment {
  return Number.parseInt(order.slice(0, DIGITS), 16)
}

/** `Message.key`. */
export function messageKey(chat: Address, from: Address, mine: boolean, id: string): string {
  return mine ? `${chat} ${id}` : `${chat} ${from}/${id}`
}

/** The key of a message whose sender has given another one the same id; `archive`: its entry there. */
export function twinKey(key: string, archive: string): string {
  return `${key}#${archive}`
}

function hex(at: Moment): string {
  return Math.max(0, Math.floor(at)).toString(16).padStart(DIGITS, '0')
}
