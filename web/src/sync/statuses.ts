/**
 * Statuses of the user and of others: reads the account's status log, sends what waits, and removes what has expired.
 * A status that can't be decrypted is ignored.
 */
import { type Crypto, type Envelope, NobodyCanRead } from '../crypto/crypto'
import type { Database } from '../local/database'
import type { KeyBuffer } from '../local/key-buffer'
import { timeOf } from '../local/order'
import {
  AUDIENCE,
  isMutual,
  LONGEST_STATUS,
  readersOf,
  type Status,
  statusIn,
  statusKey,
  type StatusTask,
  statusWritten
} from '../local/statuses'
import { sweepStatuses } from '../local/status-expiry'
import type { Address, Moment } from '../local/types'
import { archiveId } from '../xmpp/archived'
import { envelopeOf } from '../xmpp/encrypted'
import { Refused } from '../xmpp/errors'
import { bare, domainOf } from '../xmpp/jid'
import { NS } from '../xmpp/ns'
import {
  type StatusEntry,
  statusEntry,
  statusPost,
  statusQuery,
  statusRetract,
  statusSeen,
  statusService
} from '../xmpp/statuses'
import type { Wire } from '../xmpp/wire'
import { attribute, child, el, textOf, type Xml } from '../xmpp/xml'

/** A fact: the id of the last entry of the status log that was read. */
const LAST = 'status.last'
const PAGE = 50
/** How many people one message is for, so that their keys fit into a stanza. */
const TOGETHER = 200
const LONGEST_WAIT_MS = 3_600_000
const SHORTEST_WAIT_MS = 200
const AGAIN_MS = 10_000

export class Statuses {
  private turn: Promise<unknown> = Promise.resolve()
  /** Results of running queries. */
  private readonly pages = new Map<string, { id: string; message: Xml }[]>()
  /** Whether the log was read up to the entries that come live. */
  private caughtUp = false
  private sending = false
  /** Whether the server has statuses, by domain. */
  private readonly services = new Map<string, boolean>()
  private timer: ReturnType<typeof setTimeout> | undefined
  private beginning: ReturnType<typeof setTimeout> | undefined
  private retrying: ReturnType<typeof setTimeout> | undefined
  private stopped = false

  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly wire: Wire,
    private readonly crypto: Crypto,
    private readonly keyBuffer: KeyBuffer,
    private readonly now: () => Moment,
    private readonly expiryTime: () => Moment
  ) {}

  stop(): void {
    this.stopped = true
    clearTimeout(this.timer)
    clearTimeout(this.retrying)
    clearTimeout(this.beginning)
  }

  /** A new session has started: reads what was missed, and sends what waits. Tries again if that fails. */
  async begin(): Promise<void> {
    clearTimeout(this.beginning)
    this.caughtUp = false
    try {
      await this.catchUp()
    } catch {
      if (!this.stopped) this.beginning = setTimeout(() => void this.begin(), AGAIN_MS)
    }
  }

  private async catchUp(): Promise<void> {
    if (!(await this.available(domainOf(this.me)))) return
    let after = (await this.db.fact<string>(LAST)) ?? ''
    for (;;) {
      const { found, complete, last } = await this.page(after)
      for (const { id, message } of found) await this.take(message, id, true)
      if (!last || last <= after || complete) break
      after = last
      await this.db.setFact(LAST, after)
    }
    this.caughtUp = true
    await this.wake()
  }

  /** Handles a message if it is about statuses. False: it is another one. Rejects if it can't be stored. */
  async live(message: Xml): Promise<boolean> {
    if (attribute(message, 'from') === statusService(domainOf(this.me))) {
      if (attribute(message, 'type') === 'error') await this.refused(attribute(message, 'id'))
      return true
    }
    if (!statusEntry(message)) return false
    const id = archiveId(message, this.me, undefined, this.now())
    if (id) await this.take(message, id, this.caughtUp)
    return true
  }

  /** Takes a result of a running query. */
  result(result: Xml): void {
    const message = child(child(result, NS.forward, 'forwarded'), NS.client, 'message')
    const page = this.pages.get(attribute(result, 'queryid'))
    if (message && page) page.push({ id: attribute(result, 'id'), message })
  }

  /** Sends what waits, and removes what has expired. */
  async wake(): Promise<void> {
    await this.sweep()
    if (this.sending || !this.caughtUp || !this.wire.online || this.stopped) return
    this.sending = true
    clearTimeout(this.retrying)
    try {
      for (;;) {
        const waiting = await this.db.statuses.filter(({ progress }) => progress === 'waiting').sortBy('at')
        const task = await this.db.statusTasks.orderBy('seq').first()
        const [post] = waiting
        if (post) await this.post(post)
        else if (task) await this.tell(task)
        else break
      }
    } catch {
      if (!this.stopped) this.retrying = setTimeout(() => void this.wake().catch(() => undefined), AGAIN_MS)
    } finally {
      this.sending = false
    }
  }

  private async page(
    after: string
  ): Promise<{ found: { id: string; message: Xml }[]; complete: boolean; last: string }> {
    const query = crypto.randomUUID()
    const found: { id: string; message: Xml }[] = []
    this.pages.set(query, found)
    try {
      const answer = await this.wire.request('set', '', statusQuery(query, after, PAGE))
      const fin = child(answer, NS.mam, 'fin')
      const last = textOf(child(child(fin, NS.rsm, 'set'), NS.rsm, 'last'))
      return { found, complete: attribute(fin, 'complete') === 'true', last }
    } finally {
      this.pages.delete(query)
    }
  }

  /** Stores an entry, after those that came before. `advances`: nothing before it is missing. */
  private take(message: Xml, id: string, advances: boolean): Promise<void> {
    const taken = this.turn.then(() => this.entry(message, id, advances))
    this.turn = taken.catch(() => undefined)
    return taken
  }

  private async entry(message: Xml, log: string, advances: boolean): Promise<void> {
    const entry = statusEntry(message)
    const at = Math.min(timeOf(log), this.now())
    const read = entry?.type === 'status' ? await this.read(entry, at) : undefined
    const { statuses, facts, keys } = this.db
    const committed = await this.db.transaction('rw', statuses, facts, keys, async () => {
      if (entry?.type === 'retract') await statuses.delete(statusKey(entry.author, entry.id))
      else if (entry?.type === 'seen') await this.seen(entry)
      else if (read) await statuses.put(read.status)
      if (advances && log > ((await this.db.fact<string>(LAST)) ?? '')) await this.db.setFact(LAST, log)
      return read?.opening === undefined ? undefined : this.keyBuffer.write([read.opening])
    })
    committed?.()
    if (read) await this.sweep()
  }

  /** What becomes of a status that has come. Undefined: it is known, or nothing that can be shown. */
  private async read(
    { author, id, until, message }: StatusEntry & { type: 'status' },
    at: Moment
  ): Promise<{ status: Status; opening?: string } | undefined> {
    const key = statusKey(author, id)
    const end = Math.min(until, at + LONGEST_STATUS)
    if (end <= this.now() || !(await this.knows(author))) return undefined
    const known = await this.db.statuses.get(key)
    if (known) {
      // One of the user's own comes back: now its time counts
      if (author !== this.me) return undefined
      return { status: { ...known, at, until: end, progress: 'sent' } }
    }
    const envelope = envelopeOf(message)
    if (!envelope) return undefined
    const opened = await this.crypto.decrypt(author, envelope, id, at)
    if (opened.type !== 'text') return undefined
    const content = statusIn(opened.extra, opened.text)
    if (!content) return undefined
    const { lasts, ...shown } = content
    const status: Status = {
      ...{ key, author, id, at, until: Math.min(end, at + lasts), ...shown },
      ...{ seen: author === this.me, progress: 'sent', viewers: {} }
    }
    return { status, opening: opened.opening }
  }

  private async knows(author: Address): Promise<boolean> {
    if (author === this.me) return true
    return isMutual(await this.db.contacts.get(author))
  }

  private async seen({ by, author, id, at }: StatusEntry & { type: 'seen' }): Promise<void> {
    const status = await this.db.statuses.get(statusKey(author, id))
    if (!status) return
    if (by === this.me) await this.db.statuses.update(status.key, { seen: true })
    else if (author === this.me && !Object.hasOwn(status.viewers, by)) {
      const when = Math.max(status.at, Math.min(Number.isNaN(at) ? this.now() : at, this.now()))
      await this.db.statuses.update(status.key, { viewers: { ...status.viewers, [by]: when } })
    }
  }

  /** The service has refused a status of the user. */
  private async refused(id: string): Promise<void> {
    const status = await this.db.statuses.get(statusKey(this.me, id))
    if (status) await this.db.statuses.update(status.key, { progress: 'failed' })
  }

  private async post(status: Status): Promise<void> {
    const { audience, id } = status
    const chosen = audience ?? (await this.db.fact<Status['audience']>(AUDIENCE))
    const readers = readersOf(
      chosen ?? { mode: 'contacts', people: [] },
      await this.db.contacts.toArray(),
      this.me
    )
    const own = domainOf(this.me)
    const domains = new Map<string, Address[]>([[own, []]])
    for (const reader of readers) {
      const domain = domainOf(reader)
      domains.set(domain, [...(domains.get(domain) ?? []), reader])
    }
    for (const [domain, people] of domains) {
      if (domain !== own && !(await this.available(domain))) continue
      for (let from = 0; from === 0 || from < people.length; from += TOGETHER) {
        const some = people.slice(from, from + TOGETHER)
        const envelope = await this.encrypted(some, status)
        const to = domain === own && from === 0 ? [...some, this.me] : some
        await this.keyBuffer.flush()
        if (!(await this.waits(status))) return
        const stanza = statusPost(domain, id, LONGEST_STATUS / 1000, to, envelope)
        await this.wire.send(stanza)
      }
    }
    if (await this.waits(status)) await this.db.statuses.update(status.key, { progress: 'sent' })
  }

  /** Whether it was neither deleted nor refused in the meantime. */
  private async waits({ key }: Status): Promise<boolean> {
    return (await this.db.statuses.get(key))?.progress === 'waiting'
  }

  private async encrypted(readers: Address[], status: Status): Promise<Envelope> {
    const extra = statusWritten(status)
    try {
      if (readers.length) return await this.crypto.encrypt(readers, status.text, extra)
    } catch (error) {
      if (!(error instanceof NobodyCanRead)) throw error
    }
    // Only the user's other devices can read it
    const alone = new Map<Address, number[]>([[this.me, []]])
    return this.crypto.encryptForAll(alone, status.text, extra, async (all) => all.map(() => undefined))
  }

  private async tell({ seq, type, author, id }: StatusTask): Promise<void> {
    if (type === 'seen') await this.wire.send(statusSeen(this.me, author, id))
    else {
      const contacts = await this.db.contacts.where('address').notEqual(this.me).toArray()
      const mutual = contacts.filter(({ subscription }) => subscription === 'both')
      const domains = new Set([domainOf(this.me), ...mutual.map(({ address }) => domainOf(bare(address)))])
      for (const domain of domains) {
        if (await this.available(domain)) await this.wire.send(statusRetract(domain, id))
      }
    }
    await this.db.statusTasks.delete(seq ?? 0)
  }

  private async available(domain: string): Promise<boolean> {
    const known = this.services.get(domain)
    if (known !== undefined) return known
    try {
      const answer = await this.wire.request('get', statusService(domain), el('query', { xmlns: NS.disco }))
      const query = child(answer, NS.disco, 'query')
      const there = query?.children.some(
        (one) => typeof one !== 'string' && one.name === 'feature' && attribute(one, 'var') === NS.status
      )
      this.services.set(domain, there === true)
      return there === true
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      return false
    }
  }

  private async sweep(): Promise<void> {
    clearTimeout(this.timer)
    if (this.stopped) return
    const next = await sweepStatuses(this.db, this.expiryTime())
    if (next === undefined || this.stopped) return
    const wait = Math.min(LONGEST_WAIT_MS, Math.max(SHORTEST_WAIT_MS, next - this.expiryTime()))
    this.timer = setTimeout(() => void this.sweep().catch(() => undefined), wait)
  }
}
