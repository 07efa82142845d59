/** The device that sends its history: answers requests, and stores only how far the other device is. */
import type { Bytes } from '../local/bytes'
import type { Database } from '../local/database'
import type { Address, Moment } from '../local/types'
import { isPlace, pageOf, planOf, START, type Place, type Plan } from './collect'
import { packed } from './lines'
import { Channel, Forged } from './seal'
import { GIVING, MAX_PART, MIN_PART, PLAN, planOfGiving, type Ask, type Giving, type Head } from './transfer'

/** There is no such transfer here. */
export class Unknown extends Error {}
/** Another request is being answered. */
export class Busy extends Error {}

export interface HistorySenderDeps {
  now(): Moment
  /** Called with the key of the other device in the encryption, which only a device that knows the secret can tell. */
  met(device: number, fingerprint: string): Promise<void>
}

/** The maximum length of a request, in characters. */
const LONGEST_ASK = 4000

export class HistorySender {
  private readonly busy = new Set<string>()

  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly wiring: HistorySenderDeps
  ) {}

  /** Returns the encrypted answer. Throws Unknown, Busy or Forged. */
  async answer(id: string, question: Bytes): Promise<Bytes> {
    const giving = await this.db.fact<Giving>(GIVING + id)
    if (!giving) throw new Unknown()
    if (this.busy.has(id)) throw new Busy()
    this.busy.add(id)
    try {
      const channel = await Channel.open(giving.secret, id, 'giver')
      const ask = asked(await channel.open(question))
      await this.wiring.met(ask.device, ask.fingerprint)
      return await channel.seal(await packed(await this.part(giving, ask)), question)
    } finally {
      this.busy.delete(id)
    }
  }

  private async part(giving: Giving, ask: Ask): Promise<string[]> {
    const { id, state, total } = giving
    if (state === 'stopped') return [head({ next: null, done: giving.done, total, stopped: true })]
    if (ask.op === 'done') {
      await this.change(id, { state: 'done', done: Math.max(giving.done, total) })
      await this.db.facts.delete(PLAN + id)
      return [head({ next: null, done: total, total, stopped: false })]
    }
    const plan = await this.plan(id)
    const place = placeOf(ask.place, plan)
    const most = Math.min(MAX_PART, Math.max(MIN_PART, ask.most))
    const { lines, next } = await pageOf(this.db, this.me, plan, place, most, this.wiring.now())
    const done = Math.max(next?.done ?? plan.total, place.done)
    await this.change(id, { state: 'running', done: Math.max(giving.done, done), total: plan.total })
    const after = next ? JSON.stringify(next) : null
    return [head({ next: after, done, total: plan.total, stopped: false }), ...lines]
  }

  private async plan(id: string): Promise<Plan> {
    const known = await planOfGiving(this.db, id)
    if (known) return known
    const plan = await planOf(this.db, this.wiring.now())
    await this.db.setFact(PLAN + id, plan)
    return plan
  }

  /** Changes the state, unless the user has stopped the transfer in the meantime. */
  private async change(id: string, change: Partial<Giving>): Promise<void> {
    await this.db.transaction('rw', this.db.facts, async () => {
      const giving = await this.db.fact<Giving>(GIVING + id)
      if (!giving || giving.state === 'stopped') return
      await this.db.setFact(GIVING + id, { ...giving, ...change, at: this.wiring.now() })
    })
  }
}

function head(given: Omit<Head, 'v'>): string {
  return JSON.stringify({ v: 1, ...given } satisfies Head)
}

function asked(data: Bytes): Ask {
  if (data.length > LONGEST_ASK) throw new Forged('too long')
  let ask: Partial<Record<keyof Ask, unknown>>
  try {
    ask = (JSON.parse(new TextDecoder().decode(data)) ?? {}) as typeof ask
  } catch {
    throw new Forged('not a question')
  }
  const { op, place, most, device, fingerprint } = ask
  return {
    v: 1,
    op: op === 'done' ? 'done' : 'part',
    place: typeof place === 'string' ? place : '',
    most: typeof most === 'number' && Number.isFinite(most) ? most : MAX_PART,
    device: typeof device === 'number' && Number.isSafeInteger(device) ? device : 0,
    fingerprint: typeof fingerprint === 'string' ? fingerprint : ''
  }
}

/** An invalid place means the beginning, which costs time but adds nothing twice. */
function placeOf(text: string, plan: Plan): Place {
  if (!text) return START
  try {
    const place: unknown = JSON.parse(text)
    return isPlace(place, plan) ? place : START
  } catch {
    return START
  }
}
