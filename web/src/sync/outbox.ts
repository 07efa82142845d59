/**
 * What waits goes out from here: in order for each chat, once. It is encrypted when it is first sent, for the devices
 * that there are then, and leaves when the server has acknowledged it. Who is sent to does not matter to the others: each chat
 * has a lane of its own.
 */
import { type Crypto, type Envelope, type Fingerprint, NobodyCanRead } from '../crypto/crypto'
import { isServer } from '../local/address'
import type { Database } from '../local/database'
import { placeChange } from '../local/changes'
import { findLast, placeTimer } from '../local/chats'
import { move } from '../local/messages'
import { raise } from '../local/progress'
import { ofChat } from '../local/queries'
import type { Keybook } from '../local/keybook'
import { isWaiting, messageKey, orderAt } from '../local/order'
import type { Address, Failure, Message, Moment, Outgoing } from '../local/types'
import { Work } from '../local/work'
import { failureOf } from './trusted'
import { made, madeAgain, marks, secretOf, type Single } from './stanzas'
import type { Wire } from './wire'
import type { Made } from './xml'

const FIRST_WAIT_MS = 2000
const LONGEST_WAIT_MS = 300_000
/** Messages of a chat that are encrypted before the first of them leaves. */
const TOGETHER = 20

interface Lane {
  /** `seq` of the last that was sent in this session. */
  sent: number
  working: boolean
  failures: number
  timer?: ReturnType<typeof setTimeout>
}

interface Refused {
  of: string
  device: number
}

/** Of one account. */
const MOST_REFUSED = 100
/** Its fact is named by the account behind it. */
const REFUSED = 'refused '

export class Outbox {
  private lanes = new Map<string, Lane>()
  /** While the archive is read, receipts wait: other devices of mine may have sent them. */
  private holding = false
  private readonly landed: { one: Outgoing; at: Moment }[] = []
  private landing: Promise<void> | undefined

  /** Something has arrived at the server. */
  onLanded: () => void = () => undefined

  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly crypto: Crypto,
    private readonly keybook: Keybook,
    private readonly wire: Wire,
    private readonly now: () => Moment
  ) {}

  /** A new session: what the old one had sent without an answer is sent again. */
  reset(): void {
    for (const lane of this.lanes.values()) clearTimeout(lane.timer)
    this.lanes = new Map()
  }

  hold(on: boolean): void {
    this.holding = on
    if (!on) this.wake().catch(() => undefined)
  }

  /** Something may wait. */
  async wake(): Promise<void> {
    if (!this.wire.online) return
    for (const to of (await this.db.outgoing.orderBy('to').uniqueKeys()) as Address[]) {
      void this.work(to, 'messages')
      if (!this.holding) void this.work(to, 'marks')
    }
  }

  private async work(to: Address, kind: 'messages' | 'marks'): Promise<void> {
    const { lanes } = this
    const name = `${kind} ${to}`
    const lane = lanes.get(name) ?? { sent: 0, working: false, failures: 0 }
    lanes.set(name, lane)
    if (lane.working) return
    lane.working = true
    try {
      for (;;) {
        const rows = await this.next(to, kind, lane.sent)
        if (!rows.length || !this.wire.online || lanes !== this.lanes) return
        const prepared: { row: Outgoing; stanzas: Made[] }[] = []
        let failure: { reason: unknown } | undefined
        for (const row of rows) {
          try {
            const before = row.made?.map((xml) => ({ xml }))
            prepared.push({ row, stanzas: before ?? (await this.prepare(row)) })
          } catch (reason) {
            failure = { reason }
            break
          }
        }
        // The steps of the ratchets are on the disk before anything leaves, and what leaves: once for all of them
        await this.keybook.flush()
        const kept = await this.keep(prepared)
        if (!this.wire.online || lanes !== this.lanes) return
        for (const { row, stanzas } of prepared) {
          lane.sent = row.seq ?? 0
          lane.failures = 0
          if (stanzas.length && kept.has(row.seq)) this.fly(row, stanzas)
        }
        if (failure) throw failure.reason
      }
    } catch {
      if (lanes !== this.lanes) return
      lane.failures += 1
      const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** lane.failures)
      clearTimeout(lane.timer)
      lane.timer = setTimeout(() => void this.work(to, kind), wait)
    } finally {
      lane.working = false
    }
  }

  private async next(to: Address, kind: 'messages' | 'marks', after: number): Promise<Outgoing[]> {
    return this.db.outgoing
      .where('[to+seq]')
      .between([to, after], [to, Infinity], false, true)
      .filter(({ what }) => (what.type === 'marker') === (kind === 'marks'))
      .limit(TOGETHER)
      .toArray()
  }

  /**
   * What may reach the server is kept until that is known: the same id with another text would be another message
   * (XEP-0359). A device that came in between asks for it by itself. Receipts are made alike each time. Returns what is
   * still to leave: some may have been taken back meanwhile.
   */
  private async keep(prepared: { row: Outgoing; stanzas: Made[] }[]): Promise<Set<number | undefined>> {
    const fresh = prepared.filter(
      ({ row, stanzas }) => !row.made && stanzas.length && row.what.type !== 'marker'
    )
    const { outgoing } = this.db
    return this.db.transaction('rw', outgoing, async () => {
      await outgoing.bulkUpdate(
        fresh.map(({ row, stanzas }) => ({
          key: row.seq ?? 0,
          changes: { made: stanzas.map(({ xml }) => xml) }
        }))
      )
      const all = prepared.map(({ row }) => row.seq ?? 0)
      return new Set<number | undefined>(await outgoing.where(':id').anyOf(all).primaryKeys())
    })
  }

  /** Nothing: it was settled without being sent. Rejects if it has to wait. */
  private async prepare(one: Outgoing): Promise<Made[]> {
    const { to, id, what } = one
    try {
      if (what.type === 'marker') {
        if (!(await this.db.contacts.get(to))?.blocked) return marks(to, what)
        // Who is blocked hears nothing of what I read
        if (one.seq !== undefined) await this.db.outgoing.delete(one.seq)
        return []
      }
      if (what.type === 'resent') return await this.again(one, what.of, what.device)
      if (what.type === 'resend') {
        const { sender, iv, keys } = await this.crypto.encryptFor(to, what.device, '')
        return [made(to, id, what, { sender, iv, keys })]
      }
      const secret = secretOf(what)
      let envelope: Envelope | undefined
      if (secret !== undefined) envelope = await this.crypto.encrypt(to, secret)
      return [made(to, id, what, envelope, what.type === 'message' ? await this.nameFor(to) : '')]
    } catch (error) {
      if (!(error instanceof NobodyCanRead)) {
        if (this.wire.online && one.seq !== undefined) {
          await this.db.outgoing.update(one.seq, { tries: one.tries + 1 })
        }
        throw error
      }
      if (to === this.me) await this.arrived(one, this.now())
      else await this.failed(one, failureOf(await this.crypto.fingerprints(to)))
      return []
    }
  }

  /** My name, for one who does not get it with my presence. */
  private async nameFor(to: Address): Promise<string> {
    if (to === this.me || isServer(to, this.me)) return ''
    const [me, them] = await this.db.contacts.bulkGet([this.me, to])
    const sees = them?.subscription === 'from' || them?.subscription === 'both'
    return sees ? '' : (me?.nick ?? '')
  }

  /** For one device that can't read a message of mine: only what was sent to that account, only if it is trusted. */
  private async again(one: Outgoing, of: string, device: number): Promise<Made[]> {
    const { to, id } = one
    const trusted = await this.isTrusted(to, device)
    if (!trusted) await this.refuse(to, device, of)
    const content = trusted ? await this.contentOf(to, of) : undefined
    const secret = content && secretOf(content)
    if (!content || secret === undefined) {
      await this.failed(one)
      return []
    }
    return [madeAgain(to, id, of, content, await this.crypto.encryptFor(to, device, secret))]
  }

  /** A device that is not trusted has asked for a message of mine: it gets it once it is. */
  async refuse(account: Address, device: number, of: string): Promise<void> {
    if ((await this.contentOf(account, of)) === undefined) return
    await this.db.transaction('rw', this.db.facts, async () => {
      const others = await this.refused(account, { of, device })
      await this.db.setFact(REFUSED + account, [...others, { of, device }].slice(-MOST_REFUSED))
    })
  }

  /** Whose devices have asked in vain. */
  async refusing(): Promise<Address[]> {
    const names = await this.db.facts.where('name').startsWith(REFUSED).primaryKeys()
    return names.map((name) => name.slice(REFUSED.length))
  }

  /** What an account's devices have asked for in vain and may have now, as after somebody has compared their keys. */
  async due(account: Address): Promise<Refused[]> {
    const refused = await this.refused(account)
    if (!refused.length) return []
    const known = await this.crypto.fingerprints(account)
    return refused.filter(({ device }) => mayRead(known, device))
  }

  /** That is no longer refused. */
  async granted(account: Address, one: Refused): Promise<void> {
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

  private async isTrusted(account: Address, device: number): Promise<boolean> {
    return mayRead(await this.crypto.fingerprints(account), device)
  }

  private async contentOf(to: Address, id: string): Promise<Single | undefined> {
    const messages = await this.db.messages.where('id').equals(id).toArray()
    const message = messages.find(
      (one) => one.mine && one.kind === 'text' && (to === this.me || one.chat === to)
    )
    if (message) return contentOf(message)
    const changes = await this.db.changes.where('id').equals(id).toArray()
    const change = changes.find(
      ({ from, target }) => from === this.me && (to === this.me || target.startsWith(`${to} `))
    )
    const target = change && (await this.db.messages.get(change.target))
    if (!change || !target) return undefined
    if (change.kind === 'edit') return { type: 'message', text: change.text ?? '', replaces: target.id }
    if (change.kind === 'pin')
      return { type: 'pin', of: target.id, from: target.from, until: change.until ?? 0 }
    if (change.kind !== 'reaction') return undefined
    return { type: 'reaction', of: target.id, from: target.from, emojis: change.emojis ?? [] }
  }

  private fly(one: Outgoing, stanzas: Made[]): void {
    const at = this.now()
    Promise.all(stanzas.map((stanza) => this.wire.send(stanza)))
      .then(() => this.arrived(one, at))
      // The next session sends it again
      .catch(() => undefined)
  }

  /** The server has it. What arrives while one transaction runs shares the next: an answer of the server is for many. */
  private arrived(one: Outgoing, at: Moment): Promise<void> {
    this.landed.push({ one, at })
    this.landing ??= this.landAll()
    return this.landing
  }

  private async landAll(): Promise<void> {
    await Promise.resolve()
    try {
      while (this.landed.length) await this.land(this.landed.splice(0))
    } finally {
      this.landing = undefined // within the turn that has found nothing more
    }
  }

  private async land(all: { one: Outgoing; at: Moment }[]): Promise<void> {
    await Work.run(this.db, async (work) => {
      await this.db.outgoing.bulkDelete(all.flatMap(({ one: { seq } }) => (seq === undefined ? [] : [seq])))
      await work.fetch(all.flatMap(({ one }) => keyOf(one, this.me) ?? []))
      const moved = new Set<Address>()
      for (const { one, at } of all) {
        await work.stay()
        if (one.what.type === 'timer') await placeTimer(work, one.to, one.seq ?? 0, orderAt(at))
        await this.placed(work, one, orderAt(at))
        const key = keyOf(one, this.me)
        const message = key && (await work.message(key))
        if (!message || !isWaiting(message.order)) continue
        await raise(work, key, 'sent')
        await move(work, key, orderAt(at))
        moved.add(message.chat)
      }
      for (const chat of moved) {
        await this.moveWaiting(work, chat)
        await findLast(work, chat)
      }
    })
    this.onLanded()
  }

  /** What was said of a message does not wait any more. */
  private async placed(work: Work, { to, id, what }: Outgoing, order: string): Promise<void> {
    if (what.type === 'message' && what.replaces !== undefined)
      await placeChange(work, this.me, 'edit', messageKey(to, this.me, true, what.replaces), id, order)
    if (what.type === 'reaction') {
      const target = messageKey(to, what.from, what.from === this.me, what.of)
      await placeChange(work, this.me, 'reaction', target, id, order)
    }
  }

  /** What waits stands behind what was sent, which is as late now as it was sent. */
  private async moveWaiting(work: Work, chat: Address): Promise<void> {
    const rows = await this.db.outgoing.where('to').equals(chat).toArray()
    const keys = rows.flatMap((row) => keyOf(row, this.me) ?? [])
    if (!keys.length) return
    await work.flush()
    const last = await ofChat(this.db, chat)
      .reverse()
      .filter((message) => !isWaiting(message.order))
      .first()
    await work.fetch(keys)
    for (const key of keys) {
      const message = await work.message(key)
      if (last && message && message.at < last.at) work.setMessage({ ...message, at: last.at })
    }
  }

  private async failed(one: Outgoing, failure?: Failure): Promise<void> {
    await Work.run(this.db, async (work) => {
      const key = keyOf(one, this.me)
      const message = key && (await work.message(key))
      if (one.seq !== undefined) await this.db.outgoing.delete(one.seq)
      await this.placed(work, one, orderAt(this.now()))
      if (message) work.setMessage({ ...message, progress: 'failed', ...(failure && { failure }) })
    })
  }
}

/** Of the message that is sent by this, if it is one. */
function keyOf({ to, id, what }: Outgoing, me: Address): string | undefined {
  return what.type === 'message' && what.replaces === undefined ? messageKey(to, me, true, id) : undefined
}

function mayRead(known: Fingerprint[], device: number): boolean {
  const trust = known.find((one) => one.device === device && one.active)?.trust
  return trust === 'first-use' || trust === 'verified'
}

function contentOf({ text, reply, forwarded, unstyled, expires, at }: Message): Single {
  return {
    type: 'message',
    text,
    ...(reply && { reply }),
    ...(forwarded && { forwarded }),
    ...(unstyled && { unstyled }),
    ...(expires !== undefined && { expires: Math.max(1, Math.ceil((expires - at) / 1000)) })
  }
}
