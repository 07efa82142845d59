/** Reads values from untrusted JSON, checking type and bounds of each. */
import { isArchiveId, isOrder } from '../local/order'
import type { Address, Moment } from '../local/types'

const LONGEST_ADDRESS = 3071
const LONGEST_ID = 2000
const YEAR_MS = 31_536_000_000
const DAY_MS = 86_400_000
// eslint-disable-next-line no-control-regex
const ADDRESS = /^[^\u0000- /\u007f]+$/

/** A value is missing, of another type, or out of bounds. */
export class Unsound extends Error {}

/** The values of a JSON object, checked as they are read. All methods throw Unsound. */
export class Fields {
  constructor(
    readonly of: Record<string, unknown>,
    readonly now: Moment
  ) {}

  has(name: string): boolean {
    return Object.hasOwn(this.of, name) && this.of[name] !== undefined
  }

  text(name: string, longest: number): string {
    const value = this.own(name)
    if (typeof value !== 'string' || value.length > longest) throw new Unsound(name)
    return value
  }

  number(name: string, most = Number.MAX_SAFE_INTEGER, least = 0): number {
    const value = this.own(name)
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least || value > most)
      throw new Unsound(name)
    return value
  }

  flag(name: string): boolean {
    const value = this.own(name)
    if (typeof value !== 'boolean') throw new Unsound(name)
    return value
  }

  one<T extends string>(name: string, of: readonly T[]): T {
    const value = this.own(name)
    if (!of.includes(value as T)) throw new Unsound(name)
    return value as T
  }

  address(name: string): Address {
    const value = this.own(name)
    if (!isAddress(value)) throw new Unsound(name)
    return value
  }

  id(name: string): string {
    const id = this.text(name, LONGEST_ID)
    if (!id) throw new Unsound(name)
    return id
  }

  order(name: string): string {
    const order = this.text(name, LONGEST_ID)
    if (!isOrder(order, this.now)) throw new Unsound(name)
    return order
  }

  /** The id of an archive entry, if there is one. */
  archive(): { archive?: string } {
    if (!this.has('archive')) return {}
    const archive = this.order('archive')
    if (!isArchiveId(archive)) throw new Unsound('archive')
    return { archive }
  }

  /** An order; empty: none. */
  place(name: string): string {
    return this.own(name) === '' ? '' : this.order(name)
  }

  list(name: string, most: number): unknown[] {
    const value = this.own(name)
    if (!Array.isArray(value) || value.length > most) throw new Unsound(name)
    return value
  }

  inner(name: string): Fields {
    const value = this.own(name)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Unsound(name)
    return new Fields(value as Record<string, unknown>, this.now)
  }

  /** An optional flag. */
  set(name: string): boolean {
    return this.has(name) && this.flag(name)
  }

  past(name: string): Moment {
    return this.number(name, this.now + DAY_MS)
  }

  /** A pin without end has no number in JSON. */
  future(name: string): Moment {
    return this.number(name, this.now + 100 * YEAR_MS)
  }

  inners(name: string, most: number): Fields[] {
    return this.list(name, most).map((_, at) =>
      new Fields({ one: this.list(name, most)[at] }, this.now).inner('one')
    )
  }

  private own(name: string): unknown {
    return Object.hasOwn(this.of, name) ? this.of[name] : undefined
  }
}

export function isAddress(text: unknown): text is Address {
  return typeof text === 'string' && text.length <= LONGEST_ADDRESS && ADDRESS.test(text)
}

/** A `Message.key`: an address, a space, and an id. */
export function isKey(key: unknown): key is string {
  if (typeof key !== 'string' || key.length > LONGEST_ADDRESS + LONGEST_ID) return false
  const space = key.indexOf(' ')
  return space > 0 && space < key.length - 1 && isAddress(key.slice(0, space))
}
