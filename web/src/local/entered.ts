/**
 * What a person has entered and the database does not have yet. It is kept in the browser's `localStorage`, which is
 * written synchronously, so that nothing is lost if the page is closed or reloaded in that moment: the next start
 * stores what is left there.
 */
import { deviceTime } from './device-time'
import type { Media } from './media'
import type { Address, Mention, Poll, Reply } from './types'

export interface Entered {
  /** The id of the message or correction. If something is entered twice, it is stored once. */
  id: string
  chat: Address
  text: string
  /** The key of the message that it corrects. */
  edits?: string
  reply?: Reply
  forwarded?: boolean
  unstyled?: boolean
  mentions?: Mention[]
  poll?: Poll
  /** Its file is stored already. */
  media?: Media
  /** As in `OutgoingContent`. */
  claim?: true
  /** The draft of the chat that has become this message. Undefined: any draft. */
  draft?: string
  /** It is not to be sent, but to be put into the composer again. */
  unsent?: boolean
  /** The order in which it was entered. */
  place: number
}

/** The prefix of everything in `localStorage`: log-out removes what begins with `kith.`. */
const PREFIX = 'kith.entered'

let places = 0

export class EnteredTexts {
  /** `storage` is undefined if there is none; `name`: the name of the database. */
  constructor(
    private readonly storage: Storage | undefined,
    private readonly name: string
  ) {}

  /** A number that is greater than all given by this and earlier pages. */
  static place(): number {
    places = Math.max(places + 1, deviceTime() * 1000)
    return places
  }

  /** Keeps something. Returns false if the storage is full or forbidden. */
  keep(entered: Entered): boolean {
    try {
      if (!this.storage) return false
      this.storage.setItem(this.path(entered.id), JSON.stringify(entered))
      return true
    } catch {
      return false // the caller shows it instead
    }
  }

  /** Removes texts that the database has stored, or that are in the input field again. */
  drop(ids: string[]): void {
    try {
      for (const id of ids) this.storage?.removeItem(this.path(id))
    } catch {
      // Forbidden in the meantime. If it is stored twice, it has the same id, and is stored once
    }
  }

  /** What earlier pages have left, in the order in which it was entered. */
  left(): Entered[] {
    const { storage } = this
    if (!storage) return []
    const found: Entered[] = []
    for (const path of pathsIn(storage)) {
      if (!path.startsWith(this.path(''))) continue
      try {
        found.push(JSON.parse(storage.getItem(path) ?? '') as Entered)
      } catch {
        storage.removeItem(path) // an incomplete row is ignored
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
