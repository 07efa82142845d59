/**
 * What the leading tab runs: it owns the connection, builds the parts that use it, and wakes the outbox. Received
 * stanzas are handled in `dispatch.ts`, calls from all tabs in `calls.ts`.
 */
import type { CallEvent } from '../calls/types'
import type { Crypto, KeyNetwork } from '../crypto/crypto'
import { merge, type Merged } from '../history/merge'
import type { HistoryRecord } from '../history/records'
import type { Database } from '../local/database'
import { KeyBuffer } from '../local/key-buffer'
import { STANZA_BYTES } from '../local/length'
import { FORMER } from '../local/address-change'
import type { Address, Credential, Message, Moment } from '../local/types'
import { MediaOrigin, originOf } from '../media/origin'
import { Connection } from '../xmpp/connection'
import type { Live } from './app'
import { Unhandled } from './unhandled'
import { CallSignals } from './call-signals'
import { type Calls, callsOf } from './calls'
import { unavailable } from './caps'
import { CatchUp } from './catchup'
import { Dispatch } from './dispatch'
import { Expiry } from './expiry'
import { groupCalls } from './group-calls'
import { GroupKeys } from './group-keys'
import { GroupMarks } from './group-marks'
import { GroupMessages } from './group-messages'
import { GroupStanzas } from './group-stanzas'
import { Groups } from './groups'
import { DeviceHistory } from './history'
import { Incoming } from './incoming'
import { noteKeys } from './key-notices'
import { Newcomers } from './newcomers'
import { Keyless } from './keyless'
import { Keys } from './keys'
import { Outbox } from './outbox'
import { OutgoingStanzas } from './outgoing-stanzas'
import { OwnPresence } from './own-presence'
import { Presences } from './presence'
import { Profiles } from './profile'
import { Resends } from './resends'
import { Reuploads } from './reuploads'
import { Roster } from './roster'
import { serverTime } from './server-time'
import { SessionStart } from './session-start'
import { Settlement } from './settlement'
import { ChatSettings } from './settings'
import { proxied, usage } from './slots'
import { Statuses } from './statuses'
import type { Store } from './store'
import { LiveState } from './live'
import type { Leading } from './tabs'
import { Typing } from './typing'
import { Uploads } from './uploads'

export interface EngineDeps {
  url: string
  WebSocket: typeof WebSocket
  device: string
  crypto(db: Database, me: Address, network: KeyNetwork): Promise<Crypto>
  endLogin?(credential: Credential): Promise<void>
  /** For tests: another delay until the presence becomes "away". */
  awayAfter?: number
  now(): Moment
  /** The time up to which messages have expired; -Infinity: it is not known yet. */
  expiryTime(): Moment
  /** The server's time; NaN: the server does not tell it; undefined: the server can't be asked. */
  clock(server: Moment | undefined): Promise<void> | void
  news(messages: Message[]): void
  callEvent(event: CallEvent): void
  /** The server has ended this device's login. */
  revoked(): void
}

/** Milliseconds after the start until the last known offset of the server's clock is used without a connection. */
const WITHOUT_SERVER_MS = 30_000
/** Milliseconds that a log-out waits for the server. */
const LOG_OUT_MS = 5000

export class Engine implements Leading {
  private readonly live: LiveState
  private readonly connection: Connection
  private readonly keyBuffer: KeyBuffer
  private readonly unhandled: Unhandled
  private readonly roster: Roster
  private readonly profiles: Profiles
  private readonly settings: ChatSettings
  private readonly expiry: Expiry
  private readonly presence: OwnPresence
  private readonly presences = new Presences()
  private readonly typing: Typing
  private crypto!: Crypto
  private incoming!: Incoming
  private catchUp!: CatchUp
  private outbox!: Outbox
  private groupMarks!: GroupMarks
  private newcomers!: Newcomers
  private uploads!: Uploads
  private reuploads!: Reuploads
  private readonly origin: MediaOrigin
  private history!: DeviceHistory
  private dispatch!: Dispatch
  private calls!: Calls
  private callSignals!: CallSignals
  private session!: SessionStart
  private statuses!: Statuses
  private clockless: ReturnType<typeof setTimeout> | undefined
  private stopped = false

  private constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly deps: EngineDeps,
    store: Store<Live>
  ) {
    this.live = new LiveState(store)
    this.origin = new MediaOrigin(originOf(deps.url))
    this.connection = new Connection({
      url: deps.url,
      WebSocket: deps.WebSocket,
      device: deps.device,
      credential: () => db.fact<Credential>('credential'),
      renewed: (token) => this.renewed(token),
      connecting: () => this.live.change({ connection: 'connecting' }),
      online: (newest) => {
        this.live.change({ suspended: undefined })
        this.quietly(this.uploads.wake())
        return newest === undefined ? this.session.resumed() : this.session.begun(newest)
      },
      // Presence is unknown without a connection, but is remembered for a resumed session
      offline: () =>
        this.live.change({ connection: 'offline', typing: {}, present: {}, progress: undefined }),
      revoked: () => deps.revoked(),
      suspended: (suspended) => this.live.change({ suspended }),
      limit: (bytes) => this.quietly(this.limit(bytes)),
      stanza: (stanza) => this.dispatch.stanza(stanza),
      unreadable: (text) => this.unhandled.count('no XML', text),
      result: (result) => {
        this.catchUp.result(result)
        this.statuses.result(result)
      }
    })
    this.keyBuffer = new KeyBuffer(db)
    this.unhandled = new Unhandled(db, deps.now)
    this.roster = new Roster(db, me, this.connection)
    this.profiles = new Profiles(db, me, this.connection)
    this.settings = new ChatSettings(db, me, this.connection, deps.now)
    this.expiry = new Expiry(db, deps.expiryTime)
    this.presence = new OwnPresence(this.connection, deps.awayAfter)
    this.typing = new Typing(
      deps.now,
      () => this.live.value.typing,
      (typing) => this.live.change({ typing })
    )
  }

  static async open(db: Database, me: Address, deps: EngineDeps, store: Store<Live>): Promise<Engine> {
    const engine = new Engine(db, me, deps, store)
    await engine.build()
    // calls that other tabs have are told by them
    engine.live.change({ leads: true, calls: undefined })
    engine.clockless = setTimeout(() => engine.withoutServer(), WITHOUT_SERVER_MS)
    engine.connection.start()
    return engine
  }

  /** Builds the parts that need the encryption. */
  private async build(): Promise<void> {
    const { db, me, deps, live, connection, keyBuffer, unhandled, roster, profiles, settings } = this
    const { now } = deps
    const groupKeys = new GroupKeys(connection, now)
    const groups = new Groups(db, me, connection, now, (group) => groupKeys.forget(group))
    const keys = new Keys(db, me, keyBuffer, connection, groupKeys, () => this.woken())
    const crypto = await deps.crypto(keyBuffer.database, me, keys)
    const resends = new Resends(db, me, crypto, now, () => this.woken())
    const history = new DeviceHistory(db, me, crypto, keyBuffer, connection, {
      now,
      name: deps.device,
      store: (...given) => this.merge(...given)
    })
    const callSignals = new CallSignals({
      ...{ db, me, wire: connection, crypto, live, now },
      stored: () => keyBuffer.flush(),
      tell: (event) => deps.callEvent(event),
      store: (one) => this.incoming.take([one])
    })
    this.callSignals = callSignals
    const incoming = new Incoming(
      db,
      me,
      crypto,
      keyBuffer,
      {
        now,
        expiryTime: deps.expiryTime,
        news: (messages) => deps.news(messages),
        queued: () => this.woken(),
        asked: (...question) => resends.asked(...question),
        reupload: (...asked) => this.quietly(this.reuploads.asked(...asked)),
        stranger: (address) => this.quietly(profiles.meet(address)),
        called: (one) => callSignals.stored(one)
      },
      groups
    )
    const catchUp = new CatchUp(db, me, connection, incoming, unhandled, now, (progress) =>
      this.live.change({ progress })
    )
    catchUp.archive.former = new Set(await db.fact<Address[]>(FORMER))
    const settlement = new Settlement(db, me, now, () => this.quietly(this.session.settleContested()))
    const keyless = new Keyless(db, me, crypto, now, () => this.woken())
    this.uploads = new Uploads(db, me, connection, this.origin, settlement, now, () => this.woken())
    this.reuploads = new Reuploads(db, me, this.uploads, now, () => this.woken())
    const groupStanzas = new GroupStanzas(
      ...([db, me, crypto, groups, groupKeys, resends, settlement, this.uploads] as const)
    )
    const stanzas = new OutgoingStanzas(
      ...([db, me, crypto, connection, resends, settlement, keyless, groupStanzas, now] as const),
      this.uploads
    )
    this.newcomers = new Newcomers(db, connection, crypto, groupKeys, groupStanzas, now)
    groups.came = (group, mine) => this.newcomers.soon(group, mine)
    this.groupMarks = new GroupMarks(db, me, connection)
    this.outbox = new Outbox(db, me, keyBuffer, connection, stanzas, settlement, this.groupMarks, now)
    const groupMessages = new GroupMessages(db, groups, groupKeys, this.outbox, settlement)
    this.crypto = crypto
    this.history = history
    this.incoming = incoming
    this.catchUp = catchUp
    this.statuses = new Statuses(db, me, connection, crypto, keyBuffer, now, deps.expiryTime)
    const { presences, typing, presence, expiry, outbox, statuses } = this
    this.session = new SessionStart({
      ...{ db, me, connection, live, crypto, catchUp, outbox, roster, profiles, settings, history },
      ...{ presence, presences, resends, expiry, groups, statuses, setClock: () => this.setClock() }
    })
    this.dispatch = new Dispatch(db, me, connection, {
      ...{ crypto, keyless, unhandled, roster, profiles, settings, history, presences, typing, live, now },
      ...{ groups, groupMessages, callSignals, statuses },
      message: (entry) => this.session.message(entry)
    })
    this.calls = callsOf({
      ...{ db, me, wire: connection, live, keyBuffer, crypto, keys, roster, profiles, resends, history, now },
      groups: groupCalls(me, connection, groups),
      older: (chat) => catchUp.older(chat),
      mediaAddress: (url) => this.mediaAddress(url),
      usage: () => usage(connection, me),
      merge: async (records) => (await this.merge(records)).added,
      call: (action) => callSignals.act(action),
      logOut: () => this.logOut()
    })
    crypto.onEvent((event) => this.quietly(noteKeys(db, me, event, now())))
  }

  stop(): void {
    this.stopped = true
    this.session.stop()
    this.live.end()
    this.presence.stop()
    this.connection.stop()
    this.outbox.reset()
    this.groupMarks.stop()
    this.newcomers.stop()
    this.uploads.stop()
    clearTimeout(this.clockless)
    this.expiry.stop()
    this.history.stop()
    this.keyBuffer.stop()
    this.typing.stop()
    this.callSignals.stop()
    this.statuses.stop()
  }

  /** Something may be waiting to be sent. */
  woken(): void {
    if (this.stopped) return
    if (!this.connection.online) this.connection.nudge()
    this.quietly(this.outbox.wake())
    this.quietly(this.uploads.wake())
    this.quietly(this.settings.flush())
    this.quietly(this.session.settleContested())
    this.quietly(this.expiry.run())
    this.quietly(this.statuses.wake())
  }

  nudge(): void {
    this.connection.nudge()
  }

  visible(on: boolean): void {
    this.connection.setActive(on)
    if (on) this.connection.nudge()
    this.presence.visible(on)
  }

  /** The page is closed or reloaded. */
  leave(): void {
    this.connection.leave(unavailable())
  }

  /** Executes a method of `App` for any tab. */
  async call(method: string, args: unknown[]): Promise<unknown> {
    const call = Object.hasOwn(this.calls, method) ? this.calls[method as keyof Calls] : undefined
    if (!call) throw new Error(`no ${method}`)
    return (call as (...args: unknown[]) => Promise<unknown>)(...args)
  }

  /** Where this page gets a file: from the own server, also what lies on others. */
  private async mediaAddress(url: string): Promise<string> {
    const { url: address, foreign } = await this.origin.local(url)
    if (!foreign) return address
    return (await this.origin.local(await proxied(this.connection, this.me, url))).url
  }

  private async logOut(): Promise<void> {
    const credential = await this.db.fact<Credential>('credential')
    if (credential && this.deps.endLogin) {
      // The local data are deleted even without the server; the login can be revoked from another device
      const giveUp = new Promise<void>((resolve) => setTimeout(resolve, LOG_OUT_MS))
      await Promise.race([this.deps.endLogin(credential).catch(() => undefined), giveUp])
    }
    this.stop()
  }

  private async renewed(token: string): Promise<void> {
    const credential = await this.db.fact<Credential>('credential')
    if (credential) await this.db.setFact('credential', { ...credential, token })
  }

  private async limit(bytes: number): Promise<void> {
    if (bytes > 0 && (await this.db.fact<number>(STANZA_BYTES)) !== bytes)
      await this.db.setFact(STANZA_BYTES, bytes)
  }

  /** Merges records from another device of the user, or from a backup. */
  private async merge(records: HistoryRecord[], also?: (added: number) => Promise<void>): Promise<Merged> {
    const merged = await this.catchUp.meanwhile(() =>
      merge(this.db, this.me, records, this.deps.expiryTime(), also)
    )
    this.incoming.changed(merged.changedTargets)
    this.crypto.retryRequests() // messages of the user make people accepted
    this.quietly(this.expiry.run())
    return merged
  }

  private async setClock(): Promise<void> {
    const time = await serverTime(this.connection, this.me)
    if (time === undefined) return
    await this.deps.clock(time)
    this.quietly(this.expiry.run())
  }

  private withoutServer(): void {
    void this.deps.clock(undefined)
    this.quietly(this.expiry.run())
  }

  /** For work that may fail when the storage is closed, for example after a log-out in another tab. */
  private quietly(work: Promise<unknown>): void {
    work.catch(() => undefined)
  }
}
