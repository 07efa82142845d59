/**
 * What a person has entered and the database does not hold yet. It is kept in the browser's `localStorage`, which is
 * written before the next line of the program runs, so that a page that is closed or reloaded in that moment loses
 * nothing: the next start stores what is left here.
 */
import { deviceTime } from './device-time'
import type { Address, Reply } from './types'

export interface Entered {
  /** Of the message, or of the correction: what is entered twice is stored once. */
  id: string
  chat: Address
  text: string
  /** Key of the message that is corrected by it. */
  edits?: string
  reply?: Reply
  forwarded?: boolean
  unstyled?: boolean
  /** The draft of the chat that has become this message. Undefined: whichever there is. */
  draft?: string
  /** It is not to be sent, but to stand in the composer again. */
  unsent?: boolean
  /** The order in which it was entered. */
  place: number
}

/** Of everything that is kept in `localStorage`: log-out removes what begins with `kith.`. */
const PREFIX = 'kith.entered'

let places = 0

export class EnteredTexts {
  /** `storage` is undefined where there is none; `name`: of the database. */
  constructor(
    private readonly storage: Storage | undefined,
    private readonly name: string
  ) {}

  /** A place behind all that this page and those before it have given. */
  static place(): number {
    places = Math.max(places + 1, deviceTime() * 1000)
    return places
  }

  /** Whether it is kept now. It is not where storage is full or forbidden. */
  keep(entered: Entered): boolean {
    try {
      if (!this.storage) return false
      this.storage.setItem(this.path(entered.id), JSON.stringify(entered))
      return true
    } catch {
      return false // the caller keeps it in sight instead
    }
  }

  /** The database has it, or the person has it back. */
  drop(ids: string[]): void {
    try {
      for (const id of ids) this.storage?.removeItem(this.path(id))
    } catch {
      // Forbidden meanwhile. What is taken up twice has the same id, and is stored once
    }
  }

  /** What pages have left, in the order in which it was entered. */
  left(): Entered[] {
    const { storage } = this
    if (!storage) return []
    const found: Entered[] = []
    for (const path of pathsIn(storage)) {
      if (!path.startsWith(this.path(''))) continue
      try {
        found.push(JSON.parse(storage.getItem(path) ?? '') as Entered)
      } catch {
        storage.removeItem(path) // half a row is no text
      }
    }
    return found.sort((one, other) => one.place - other.place)
  }

  private path(id: string): string {
    return `${PREFIX} ${this.name} ${id}`
  }
}

function pathsIn(storage: Storage): string[] {
  try {
    return Object.keys(storage)
  } catch {
    return []
  }
}
