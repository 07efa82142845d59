/**
 * Own messages that a recipient's device can't decrypt and asks for again. The number of requests is bounded. A device
 * that is not trusted gets the messages once it is.
 */
import type { Crypto, Fingerprint } from '../crypto/crypto'
import type { Database } from '../local/database'
import type { Address, Moment } from '../local/types'
import { contentSent } from './sent-content'
import { afterTrust } from './trusted'

/** The maximum number of messages a device may request in a day, and how often each. */
const MESSAGES_A_DAY = 300
const TIMES_EACH = 3
const DAY_MS = 86_400_000
/** The maximum number of refused requests kept for an account. */
const MAX_REFUSED = 100
/** The name of a fact; an account follows. */
const REFUSED = 'refused '

/** A refused request. `of`: the id of the message. */
interface Refused {
  of: string
  device: number
  /** The group that it was sent to. */
  group?: Address
}

export class Resends {
  /** `queued` is called when something waits to be sent. */
  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly crypto: Crypto,
    private readonly now: () => Moment,
    private readonly queued: () => void
  ) {}

  /** A device asks for a message of the user again. */
  async asked(from: Address, device: number, id: string, trusted: boolean, group?: Address): Promise<void> {
    if (trusted) await this.queue(from, device, id, group)
    else await this.refuse(from, device, id, group)
  }

  /** Refuses a request of an untrusted device, which gets the message once it is trusted. */
  async refuse(account: Address, device: number, of: string, group?: Address): Promise<void> {
    if ((await contentSent(this.db, this.me, account, of, group)) === undefined) return
    await this.db.transaction('rw', this.db.facts, async () => {
      const others = await this.refused(account, { of, device })
      await this.db.setFact(
        REFUSED + account,
        [...others, { of, device, ...(group && { group }) }].slice(-MAX_REFUSED)
      )
    })
  }

  /** The user has decided to trust devices of an account: sends them what was refused. */
  async trusted(account: Address): Promise<void> {
    const known = await this.crypto.fingerprints(account)
    for (const one of (await this.refused(account)).filter(({ device }) => mayRead(known, device))) {
      if (await this.queue(account, one.device, one.of, one.group)) await this.forget(account, one)
    }
    if (await afterTrust(this.db, this.me, account, known, this.now())) this.queued()
  }

  /** The same for all accounts, since the app may have been closed right after a decision. */
  async allTrusted(): Promise<void> {
    const names = await this.db.facts.where('name').startsWith(REFUSED).primaryKeys()
    for (const name of names) await this.trusted(name.slice(REFUSED.length))
  }

  /** False: the limit of the day is reached. */
  private async queue(to: Address, device: number, id: string, group?: Address): Promise<boolean> {
    const name = `resent ${to}/${device}`
    const now = this.now()
    const may = await this.db.transaction('rw', this.db.facts, this.db.outgoing, async () => {
      const before = await this.db.fact<{ since: Moment; ids: Record<string, number> }>(name)
      const book = before && now - before.since < DAY_MS ? before : { since: now, ids: {} }
      const times = book.ids[id] ?? 0
      if (Object.keys(book.ids).length >= MESSAGES_A_DAY) return false
      if (times >= TIMES_EACH) return true
      await this.db.setFact(name, { since: book.since, ids: { ...book.ids, [id]: times + 1 } })
      const what = { type: 'resent' as const, of: id, device, ...(group && { group }) }
      await this.db.outgoing.add({ to, id: crypto.randomUUID(), what, tries: 0 })
      return true
    })
    if (may) this.queued()
    return may
  }

  private async forget(account: Address, one: Refused): Promise<void> {
    await this.db.transaction('rw', this.db.facts, async () => {
      const others = await this.refused(account, one)
      if (others.length) await this.db.setFact(REFUSED + account, others)
      else await this.db.facts.delete(REFUSED + account)
    })
  }

  private async refused(account: Address, but?: Refused): Promise<Refused[]> {
    const all = (await this.db.fact<Refused[]>(REFUSED + account)) ?? []
    return all.filter(({ of, device }) => of !== but?.of || device !== but.device)
  }
}

/** Whether a device may get messages. */
export function mayRead(known: Fingerprint[], device: number): boolean {
  const trust = known.find((one) => one.device === device && one.active)?.trust
  return trust === 'first-use' || trust === 'verified'
}
