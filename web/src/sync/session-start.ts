/**
 * The steps at the start of a session: first what was missed is read, then the outbox may send. After a resumption or
 * an interruption they continue where they stopped.
 */
import type { Crypto } from '../crypto/crypto'
import type { Database } from '../local/database'
import type { Address } from '../local/types'
import type { Wire } from '../xmpp/wire'
import type { Entry } from './unhandled'
import type { CatchUp } from './catchup'
import type { Expiry } from './expiry'
import type { DeviceHistory } from './history'
import type { Groups } from './groups'
import type { LiveState } from './live'
import type { Outbox } from './outbox'
import type { OwnPresence } from './own-presence'
import type { Presences } from './presence'
import type { Profiles } from './profile'
import type { Resends } from './resends'
import type { Roster } from './roster'
import type { ChatSettings } from './settings'
import type { Statuses } from './statuses'

/** The parts that a session starts. */
export interface Beginners {
  db: Database
  me: Address
  connection: Wire
  live: LiveState
  crypto: Crypto
  catchUp: CatchUp
  outbox: Outbox
  roster: Roster
  profiles: Profiles
  settings: ChatSettings
  history: DeviceHistory
  presence: OwnPresence
  presences: Presences
  resends: Resends
  expiry: Expiry
  groups: Groups
  statuses: Statuses
  setClock(): Promise<void>
}

/** Milliseconds until a failed start is repeated. */
const AGAIN_MS = 5000

/** How far the start of a session has come. */
interface Beginning {
  running: boolean
  caughtUp: boolean
  done: boolean
}
const NOT_BEGUN: Beginning = { running: false, caughtUp: false, done: false }

export class SessionStart {
  /** Resolves when the session can take stanzas. */
  private ready: Promise<unknown> = Promise.resolve()
  private session: Beginning = { ...NOT_BEGUN }
  private stopped = false

  constructor(private readonly of: Beginners) {}

  stop(): void {
    this.stopped = true
  }

  /** A session was resumed. */
  resumed(): void {
    const { session } = this
    this.of.live.change({
      connection: session.caughtUp ? 'online' : 'syncing',
      present: this.of.presences.all()
    })
    quietly(this.of.outbox.wake())
    quietly(this.of.settings.flush())
    quietly(this.of.statuses.wake())
    // The device may have slept, or its clock was changed
    quietly(this.of.setClock())
    if (session.caughtUp) this.of.history.begin()
    quietly(this.settleContested())
    this.again(session)
  }

  /** A new session has started. `newest`: the id of the newest archive entry at that time. */
  begun(newest: string): void {
    this.of.presences.clear()
    this.of.history.fresh()
    this.of.settings.fresh()
    this.of.outbox.reset()
    this.of.outbox.hold(true)
    this.of.live.change({ connection: 'syncing' })
    this.session = { ...NOT_BEGUN }
    this.ready = this.of.catchUp.begin(newest).then(() => this.of.crypto.online())
    void this.settle(this.session)
  }

  /** Runs all steps of the start. */
  private async settle(session: Beginning): Promise<void> {
    session.running = true
    try {
      await this.ready
      await this.of.presence.send()
      quietly(this.of.outbox.wake())
      const contacts = Promise.allSettled([this.of.roster.load(), this.of.setClock()])
      await this.of.catchUp.run()
      await this.of.groups.load()
      this.of.expiry.changed()
      const [roster] = await contacts
      if (session !== this.session || !this.of.connection.online) return
      session.caughtUp = true
      await this.of.catchUp.retry()
      this.of.crypto.retryRequests() // another device of the user may have accepted somebody while this one was offline
      this.of.outbox.hold(false)
      this.of.live.change({ connection: 'online' })
      this.of.history.begin()
      quietly(this.settleContested())
      await this.of.settings.load()
      await this.of.settings.flush()
      if (!(await this.of.db.contacts.get(this.of.me))) await this.of.profiles.fetch(this.of.me)
      if (roster.status === 'rejected') throw roster.reason
      session.done = true
      void this.of.statuses.begin()
      quietly(this.of.resends.allTrusted())
    } catch {
      if (this.of.connection.online) setTimeout(() => this.again(session), AGAIN_MS)
    } finally {
      session.running = false
    }
  }

  /** Repeats the start, unless it is done or running: the connection may have been lost, or the server have failed. */
  private again(session: Beginning): void {
    const wanted = session === this.session && !session.done && !session.running
    if (!wanted || this.stopped || !this.of.connection.online) return
    this.ready = this.of.crypto.online().catch(() => undefined)
    void this.settle(session)
  }

  /** Handles a live message. Rejects if it can't be stored. */
  async message(entry: Entry): Promise<void> {
    // A message that can't be stored must not be acknowledged before the session's place in the archive is known
    await this.ready.catch(() => undefined)
    await this.of.catchUp.live(entry)
    this.of.expiry.changed()
  }

  /** Asks the archive about contested changes (`contested.ts`) once catch-up is done. */
  async settleContested(): Promise<void> {
    if (this.session.caughtUp && this.of.connection.online) await this.of.catchUp.settleContested()
  }
}

/** For work that may fail when the storage is closed, for example after a log-out in another tab. */
function quietly(work: Promise<unknown>): void {
  work.catch(() => undefined)
}
