/**
 * A device that logged in with a code or password asks for the history, and the user decides. Both devices show a
 * number derived from the keys of the two. Only if the user confirms on both that it is the same does the old device
 * send the letter that starts a transfer, encrypted for exactly the key that was compared. An intruder or a man in the
 * middle has another key, and so another number.
 */
import type { Crypto, Envelope } from '../crypto/crypto'
import type { Database } from '../local/database'
import type { Address, Moment } from '../local/types'
import {
  beginGiving,
  beginTaking,
  GIVING,
  type Decision,
  type Giving,
  type Letter,
  type RequestAnswer
} from './transfer'

/** A device that can send its history, as the new device knows it. */
export interface Candidate {
  device: number
  /** Its full address in this session. */
  jid: string
  name: string
  fingerprint: string
  /** Sixty digits. */
  number: string
  decision: Decision
  /** Whether the person found the numbers to be the same; null: not compared yet. */
  same: boolean | null
}

/** The state of the requesting device. */
export interface Wish {
  since: Moment
  candidates: Candidate[]
}

/** A request, on the device that was asked. `letter`: for a transfer that was approved. */
export interface Request {
  device: number
  jid: string
  name: string
  fingerprint: string
  number: string
  at: Moment
  decision: Decision
  letter?: Letter
}

export const WISH = 'history.wish'
export const REQUEST = 'history.request '

/** How many requests are kept, and how long one of them waits for the person's decision. */
const MAX_REQUESTS = 20
const KEPT_MS = 7 * 86_400_000
/** How many letters one device is sent per day. */
const MAX_LETTERS = 100
const LONGEST_NAME = 60

/** Sends messages to another own device, by its full address. Both reject if it does not answer. */
export interface RequestPeers {
  there(): string[]
  request(jid: string, device: number, name: string): Promise<RequestAnswer<Envelope>>
  decided(jid: string): Promise<void>
}

export class Requests {
  private seeking: Promise<void> | undefined
  private again = false
  private letters = 0

  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly crypto: Crypto,
    private readonly peers: RequestPeers,
    /** The name of this device. */
    private readonly name: string,
    private readonly now: () => Moment,
    /** Called when a letter was received. */
    private readonly taken: () => void
  ) {}

  // -- the requesting device --------------------------------------------------------------------

  /** Notes that the user wants the history from another device, or no longer wants it. */
  async wish(on: boolean): Promise<void> {
    if (!on) await this.db.facts.delete(WISH)
    else if (!(await this.db.fact<Wish>(WISH))) {
      await this.db.setFact(WISH, { since: this.now(), candidates: [] } satisfies Wish)
    }
    if (on) this.seek()
  }

  /** Asks the devices that are online, if the person wants it. */
  seek(): void {
    this.again = true
    this.seeking ??= this.askAll()
      // The storage is closed, for example by a log-out
      .catch((error: unknown) => console.debug('no device is asked', error))
      .finally(() => {
        this.seeking = undefined
      })
  }

  /** The person has compared the number with that of the other device. */
  async compared(device: number, same: boolean): Promise<void> {
    const wish = await this.db.fact<Wish>(WISH)
    const candidate = wish?.candidates.find((one) => one.device === device)
    // A device whose number differed, or has changed, is not compared again
    if (!candidate || candidate.same === false) return
    const fits = same && (await this.crypto.verifyDevice(device, candidate.fingerprint))
    await this.update({ ...candidate, same: fits })
    if (fits) this.seek()
  }

  async idle(): Promise<void> {
    await this.seeking
  }

  private async askAll(): Promise<void> {
    while (this.again) {
      this.again = false
      if (!(await this.db.fact<Wish>(WISH))) return
      for (const jid of this.peers.there()) {
        try {
          await this.ask(jid)
        } catch (error) {
          console.debug('a device does not give its history', jid, error)
        }
      }
    }
  }

  private async ask(jid: string): Promise<void> {
    const answer = await this.peers.request(jid, await this.crypto.device(), this.name)
    const { device, decision, letter } = answer
    const { fingerprint, digits } = await this.crypto.deviceNumber(device)
    const wish = await this.db.fact<Wish>(WISH)
    if (!wish) return
    const before = wish.candidates.find((one) => one.device === device)
    // Another key than the one whose number was shown: no device does that by itself
    const changed = before && before.fingerprint !== fingerprint
    const same = changed ? false : (before?.same ?? null)
    const name = plain(answer.name)
    await this.update({ device, jid, name, fingerprint, number: digits, decision, same })
    if (same === true && letter) await this.open(letter, device, fingerprint)
  }

  /** Decrypts a letter, only from the device and key that were compared. */
  private async open(envelope: Envelope, device: number, fingerprint: string): Promise<void> {
    if (envelope.sender !== device) return
    const opened = await this.crypto.decrypt(this.me, envelope, `history ${crypto.randomUUID()}`)
    if (opened.type !== 'text' || opened.device !== device) return
    const known = await this.crypto.fingerprints(this.me)
    const sender = known.find((one) => one.device === device)
    if (sender?.fingerprint !== fingerprint || sender.trust !== 'verified') return
    let letter: unknown
    try {
      letter = JSON.parse(opened.text)
    } catch {
      return
    }
    const { kith } = (letter ?? {}) as { kith?: unknown }
    if (kith !== 'history' || !(await beginTaking(this.db, letter, this.now()))) return
    await this.db.facts.delete(WISH)
    this.taken()
  }

  private async update(candidate: Candidate): Promise<void> {
    await this.db.transaction('rw', this.db.facts, async () => {
      const wish = await this.db.fact<Wish>(WISH)
      if (!wish) return
      const others = wish.candidates.filter((one) => one.device !== candidate.device)
      await this.db.setFact(WISH, {
        ...wish,
        candidates: [...others, candidate].slice(-MAX_REQUESTS)
      } satisfies Wish)
    })
  }

  // -- the device that is asked -----------------------------------------------------------------

  /** Another device of the account asks. Rejects if the device is unknown, or if there are too many requests. */
  async asked(jid: string, device: number, name: string): Promise<RequestAnswer<Envelope>> {
    const { fingerprint, digits } = await this.crypto.deviceNumber(device)
    const request = await this.db.transaction('rw', this.db.facts, async () => {
      const before = await this.db.fact<Request>(REQUEST + device)
      const known = before && this.now() - before.at < KEPT_MS ? before : undefined
      // Another key than the one whose number is shown: no device does that by itself, so nobody should approve it
      const decision = known && known.fingerprint !== fingerprint ? ('refused' as const) : ('asking' as const)
      const fresh = { device, fingerprint, number: digits, at: this.now(), decision }
      const same = known?.fingerprint === fingerprint ? known : undefined
      const request: Request = { ...(same ?? fresh), jid, name: plain(name) }
      if (!before) await this.makeRoom()
      await this.db.setFact(REQUEST + device, request)
      return request
    })
    const mine = { device: await this.crypto.device(), name: this.name, decision: request.decision }
    if (request.decision !== 'agreed') return mine
    return { ...mine, letter: await this.letterFor(request) }
  }

  /**
   * Stores the user's decision, after comparing the numbers. Returns false, and refuses, if the requesting device has
   * another key by now.
   */
  async decide(device: number, agree: boolean): Promise<boolean> {
    const request = await this.db.fact<Request>(REQUEST + device)
    if (!request) return false
    const fits = !agree || (await this.crypto.verifyDevice(device, request.fingerprint))
    const decision = agree && fits ? 'agreed' : 'refused'
    await this.db.setFact(REQUEST + device, { ...request, decision } satisfies Request)
    if (fits) await this.peers.decided(request.jid).catch(() => undefined)
    return fits
  }

  private async letterFor(request: Request): Promise<Envelope> {
    const { device, fingerprint, name } = request
    if (++this.letters > MAX_LETTERS) throw new Error('too many letters')
    let { letter } = request
    if (!letter || !(await this.db.fact<Giving>(GIVING + letter.id))) {
      letter = await beginGiving(this.db, name, this.now())
      await this.db.setFact(REQUEST + device, { ...request, letter } satisfies Request)
    }
    return this.crypto.encryptVerified(device, fingerprint, JSON.stringify({ kith: 'history', ...letter }))
  }

  /** Makes room for a request, since any device of the account may send them: those without a decision go first. */
  private async makeRoom(): Promise<void> {
    const rows = await this.db.facts.where('name').startsWith(REQUEST).toArray()
    if (rows.length < MAX_REQUESTS) return
    const open = rows.filter(({ value }) => (value as Request).decision === 'asking')
    const [oldest] = (open.length ? open : rows).sort(
      (a, b) => (a.value as Request).at - (b.value as Request).at
    )
    if (oldest) await this.db.facts.delete(oldest.name)
  }
}

/** The name a device gives itself, without characters that would change the text around it. */
function plain(name: string): string {
  return name.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '').slice(0, LONGEST_NAME)
}
