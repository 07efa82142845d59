/**
 * The device that receives a history: asks for one part after another, and stores each together with the place to
 * continue from.
 */
import type { Bytes } from '../local/bytes'
import type { Database } from '../local/database'
import type { Address, Moment } from '../local/types'
import { Damaged, unpacked } from './lines'
import type { Merged } from './merge'
import { lineOf } from './record-reader'
import type { HistoryRecord } from './records'
import { Channel, Forged } from './seal'
import { MAX_PART, MIN_PART, TAKING, type Ask, type Head, type Taking } from './transfer'

/** What may happen instead of an answer. */
export class NotThere extends Error {}
export class Interrupted extends Error {}

/** Access to the other devices of the account by their full addresses, implemented by `sync/`. */
export interface Peers {
  /** The devices that are online. */
  there(): string[]
  /** Rejects with NotThere if the device can't answer this, with Interrupted if it should be asked again. */
  part(device: string, transfer: string, sealed: Bytes): Promise<Bytes>
}

export interface HistoryReceiverDeps {
  now(): Moment
  /** This device's id and key in the encryption. */
  self(): Promise<{ device: number; fingerprint: string }>
  /** Stores records, and calls `also` in the same transaction. */
  store(records: HistoryRecord[], also: (added: number) => Promise<void>): Promise<Merged>
  /** Whether there is room for more on this device. */
  room(): Promise<boolean>
}

const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 60_000

export class HistoryReceiver {
  /** Devices that did not know the transfer since they came online. */
  private readonly useless = new Set<string>()
  private running: Promise<void> | undefined
  private again = false
  private failures = 0
  private timer: ReturnType<typeof setTimeout> | undefined
  private stopped = false

  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly peers: Peers,
    private readonly wiring: HistoryReceiverDeps
  ) {}

  /** Tries to continue, because the app is online again, another device (`device`) is, or a letter has arrived. */
  wake(device?: string): void {
    if (this.stopped) return
    if (device === undefined) this.useless.clear()
    else this.useless.delete(device)
    clearTimeout(this.timer)
    this.again = true
    this.running ??= this.run()
      // The storage is closed, for example after a log-out
      .catch((error: unknown) => console.debug('the history is not taken', error))
      .finally(() => {
        this.running = undefined
      })
  }

  stop(): void {
    this.stopped = true
    clearTimeout(this.timer)
  }

  /** For tests: resolves when it is waiting. */
  async idle(): Promise<void> {
    await this.running
  }

  private async run(): Promise<void> {
    while (this.again && !this.stopped) {
      this.again = false
      try {
        while (await this.step()) this.failures = 0
      } catch (error) {
        if (!(error instanceof Interrupted)) console.warn('the history could not be taken further', error)
        await this.change((taking) => ({ most: Math.max(MIN_PART, Math.floor(taking.most / 2)) }))
        this.later()
      }
    }
  }

  /** Receives one part; false: there is nothing to do now. */
  private async step(): Promise<boolean> {
    if (this.stopped) return false
    const taking = await this.db.fact<Taking>(TAKING)
    if (!taking) return false
    const { state, told } = taking
    const over = state === 'done' || state === 'stopped'
    if (over && told) return false
    if (!over && !(await this.wiring.room())) {
      await this.change(() => ({ state: 'full' }))
      return false
    }
    if (state === 'full') await this.change(() => ({ state: 'running' }))
    const device = this.peers.there().find((one) => !this.useless.has(one))
    if (device === undefined) return false
    try {
      await this.take(device, taking, over)
      return true
    } catch (error) {
      if (!(error instanceof NotThere || error instanceof Forged || error instanceof Damaged)) throw error
      if (!(error instanceof NotThere)) console.warn('not a part of the history', error)
      this.useless.add(device)
      return true
    }
  }

  private async take(device: string, taking: Taking, over: boolean): Promise<void> {
    const { id, secret, place } = taking
    const channel = await Channel.open(secret, id, 'taker')
    const ask: Ask = {
      v: 1,
      op: over ? 'done' : 'part',
      place,
      most: taking.most,
      ...(await this.wiring.self())
    }
    const question = await channel.seal(new TextEncoder().encode(JSON.stringify(ask)) as Bytes)
    const answer = await channel.open(await this.peers.part(device, id, question), question)
    const [first = '', ...lines] = await unpacked(answer)
    const head = headOf(first)
    if (over) {
      await this.change(() => ({ told: true }))
      return
    }
    if (head.stopped) {
      await this.change(() => ({ state: 'stopped', told: true }))
      return
    }
    if (head.next === place) throw new Damaged('no further')
    const found = lines.map((line) => lineOf(line, this.wiring.now()))
    const records = found.flatMap((line) => (line.is === 'record' ? [line.record] : []))
    for (const record of records) {
      if (record.type === 'account' && record.account !== this.me) throw new Damaged('of another account')
    }
    const skipped = found.length - records.length
    await this.wiring.store(records, (added) =>
      this.change((now) => {
        // Requested twice, or stopped in the meantime: the part may arrive again
        if (now.place !== place || now.state !== 'running') return {}
        return {
          ...{ place: head.next ?? '', done: head.done, total: Math.max(head.total, head.done) },
          ...{ added: now.added + added, skipped: now.skipped + skipped, at: this.wiring.now() },
          state: head.next === null ? ('done' as const) : ('running' as const),
          most: Math.min(MAX_PART, now.most * 2)
        }
      }, id)
    )
  }

  /** Changes the state of the transfer, if it is still the same one. */
  private async change(change: (taking: Taking) => Partial<Taking>, id?: string): Promise<void> {
    const { db } = this
    await db.transaction('rw', db.facts, async () => {
      const taking = await db.fact<Taking>(TAKING)
      if (taking && (id === undefined || taking.id === id))
        await db.setFact(TAKING, { ...taking, ...change(taking) })
    })
  }

  private later(): void {
    if (this.stopped) return
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.failures)
    this.failures += 1
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.wake(''), pause)
  }
}

function headOf(json: string): Head {
  let head: Partial<Record<keyof Head, unknown>>
  try {
    head = (JSON.parse(json) ?? {}) as typeof head
  } catch {
    throw new Damaged('no head')
  }
  const { v, next, done, total, stopped } = head
  const count = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
  if (v !== 1 || !count(done) || !count(total)) throw new Damaged('no head')
  if (next !== null && (typeof next !== 'string' || next.length > 2000)) throw new Damaged('no head')
  return { v, next, done, total, stopped: stopped === true }
}
