/**
 * The order of messages, as a text that sorts by time. Ids of Kith's archive (16 hexadecimal digits: milliseconds since
 * 1970 and a counter) are used as they are; messages without one get one that is made from their time.
 */
import type { Address, Moment } from './types'

const ARCHIVE_ID = /^[0-9a-f]{16}$/
const DIGITS = 11
const ORDER = /^[0-9a-f]{11}(?:[0-9a-f]{5}|-[^\s]{0,2000})$/
const DAY_MS = 86_400_000

/** Whether it can be an id of a Kith server's archive. */
export function isArchiveId(id: string): boolean {
  return ARCHIVE_ID.test(id)
}

/** The order of an entry of the archive. */
export function orderOf(id: string, at: Moment): string {
  return ARCHIVE_ID.test(id) ? id : `${hex(at)}-${id}`
}

/** The id of the archive entry of an order, if it has one: orders made here have an f where archive ids have none. */
export function entryOf(order: string): string | undefined {
  return isArchiveId(order) && order.charAt(DIGITS) !== 'f' ? order : undefined
}

let counter = 0

/**
 * The order of a message that was sent at this time and has no known id; each is greater than the previous one of that
 * time.
 */
export function orderAt(at: Moment): string {
  counter = (counter + 1) % 0x10000
  return `${hex(at)}f${counter.toString(16).padStart(4, '0')}`
}

/** The order of a message that waits to be sent, after all others; `counter`: its place in the outbox. */
export function orderWaiting(counter: number): string {
  return `~${String(counter).padStart(12, '0')}`
}

export function isWaiting(order: string): boolean {
  return order.startsWith('~')
}

/** Whether a text from somebody else can be an order: of the archive, or made from a time, and not in the future. */
export function isOrder(order: string, now: Moment): boolean {
  return ORDER.test(order) && timeOf(order) <= now + DAY_MS
}

/** The time of an order. */
export function timeOf(order: string): Moment {
  return Number.parseInt(order.slice(0, DIGITS), 16)
}

/** Makes a `Message.key`. */
export function messageKey(chat: Address, from: Address, mine: boolean, id: string): string {
  return mine ? `${chat} ${id}` : `${chat} ${from}/${id}`
}

/** The key of a message whose sender has used the same id before; `archive`: the id of its entry. */
export function twinKey(key: string, archive: string): string {
  return `${key}#${archive}`
}

function hex(at: Moment): string {
  return Math.max(0, Math.floor(at)).toString(16).padStart(DIGITS, '0')
}
