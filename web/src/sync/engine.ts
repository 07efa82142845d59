/** The leading tab's part: the stream, and what is done with what comes and what waits. */
import type { Crypto, CryptoEvent, KeyNetwork } from '../crypto/crypto'
import { STANZA_BYTES } from '../local/length'
import { isAccepted } from '../local/accepted'
import { valueOf } from '../local/by-address'
import { FORMER } from '../local/moved'
import type { Database } from '../local/database'
import { merge, type Merged } from '../history/merge'
import type { HistoryRecord } from '../history/records'
import { addMessage } from '../local/messages'
import { Keybook } from '../local/keybook'
import { messageKey, orderAt } from '../local/order'
import type { Address, Credential, Message, Moment } from '../local/types'
import { Work } from '../local/work'
import { NEW_DEVICE, type App, type Connection as State, type Live } from './app'
import { Aside } from './aside'
import { CatchUp } from './catchup'
import { Connection, type Wiring } from './connection'
import { Refused } from './errors'
import { Expiry } from './expiry'
import { DeviceHistory } from './history'
import { Incoming } from './incoming'
import { DEVICE_LIST, devicesOf, Keys } from './keys'
import { Outbox } from './outbox'
import { patiently } from './patience'
import { available, info, Presences, unavailable } from './presence'
import { Profiles, type ProfileChange, PROFILE_NODES } from './profile'
import { eventOf } from './pubsub'
import { Roster } from './roster'
import { ChatSettings, SETTINGS_NODES } from './settings'
import { archiveId, archiveTime, carbon, delayed, read, typingState } from './stanzas'
import type { Store } from './store'
import type { Leading } from './tabs'
import { afterTrust } from './trusted'
import { attribute, bare, child, domainOf, el, type Made, NS, textOf, type Xml } from './xml'

export interface EngineDeps {
  url: string
  WebSocket: typeof WebSocket
  device: string
  crypto(db: Database, me: Address, network: KeyNetwork): Promise<Crypto>
  endLogin?(credential: Credential): Promise<void>
  /** For tests: another time without a window that can be seen until others are told. */
  awayAfter?: number
  now(): Moment
  /** What has its time and is over by then is over; -Infinity: that is not known yet. */
  passed(): Moment
  /** The server has told how late it is (NaN: it does not know), or can't be asked. */
  clock(server: Moment | undefined): Promise<void> | void
  news(messages: Message[]): void
  /** The server does not know this device any more. */
  revoked(): void
}

const TYPING_MS = 15_000
/** Milliseconds without a window that can be seen. */
const AWAY_AFTER_MS = 60_000
const RESENT_A_DAY = 300
const RESENT_OF_ONE = 3
const DAY_MS = 86_400_000
/** So long after its start the app goes by what it knew of the server's clock. */
const WITHOUT_SERVER_MS = 30_000

type Call = (...args: never[]) => Promise<unknown>

/** What a session begins with: how far it is. */
interface Beginning {
  running: boolean
  caughtUp: boolean
  done: boolean
}
const NOT_BEGUN: Beginning = { running: false, caughtUp: false, done: false }

export class Engine implements Leading {
  private readonly connection: Connection
  private readonly keybook: Keybook
  private readonly aside: Aside
  private readonly roster: Roster
  private readonly profiles: Profiles
  private readonly settings: ChatSettings
  private readonly expiry: Expiry
  private readonly presences = new Presences()
  private readonly typingEnds = new Map<Address, ReturnType<typeof setTimeout>>()
  private crypto!: Crypto
  private keys!: Keys
  private incoming!: Incoming
  private catchUp!: CatchUp
  private outbox!: Outbox
  private history!: DeviceHistory
  /** The session can take stanzas. */
  private ready: Promise<unknown> = Promise.resolve()
  private session: Beginning = { ...NOT_BEGUN }
  private away = false
  private clockless: ReturnType<typeof setTimeout> | undefined
  private leaving: ReturnType<typeof setTimeout> | undefined
  private stopped = false

  private constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly deps: EngineDeps,
    private readonly live: Store<Live>
  ) {
    const wiring: Wiring = {
      url: deps.url,
      WebSocket: deps.WebSocket,
      device: deps.device,
      credential: () => db.fact<Credential>('credential'),
      renewed: (token) => this.renewed(token),
      connecting: () => this.state('connecting'),
      online: (newest) => this.online(newest),
      offline: () => this.offline(),
      revoked: () => deps.revoked(),
      limit: (bytes) => this.quietly(this.limit(bytes)),
      stanza: (stanza) => this.stanza(stanza),
      unreadable: (text) => this.aside.count('no XML', text),
      result: (result) => this.catchUp.result(result)
    }
    this.connection = new Connection(wiring)
    this.keybook = new Keybook(db)
    this.aside = new Aside(db, deps.now)
    this.roster = new Roster(db, me, this.connection)
    this.profiles = new Profiles(db, me, this.connection)
    this.settings = new ChatSettings(db, me, this.connection, deps.now)
    this.expiry = new Expiry(db, deps.passed)
  }

  static async open(db: Database, me: Address, deps: EngineDeps, live: Store<Live>): Promise<Engine> {
    const engine = new Engine(db, me, deps, live)
    const { connection } = engine
    const { keybook } = engine
    engine.keys = new Keys(db, me, keybook, connection, () => engine.woken())
    engine.crypto = await deps.crypto(keybook.database, me, engine.keys)
    engine.incoming = new Incoming(db, me, engine.crypto, keybook, {
      now: deps.now,
      passed: deps.passed,
      news: (messages) => deps.news(messages),
      queued: () => engine.woken(),
      asked: (...question) => engine.asked(...question),
      stranger: (address) => engine.quietly(engine.meet(address))
    })
    engine.catchUp = new CatchUp(db, me, connection, engine.incoming, engine.aside, deps.now, (progress) =>
      engine.change({ progress })
    )
    engine.catchUp.former = new Set(await db.fact<Address[]>(FORMER))
    engine.outbox = new Outbox(db, me, engine.crypto, keybook, connection, deps.now)
    engine.outbox.onLanded = () => engine.quietly(engine.places())
    engine.history = new DeviceHistory(db, me, engine.crypto, keybook, connection, {
      now: deps.now,
      name: deps.device,
      store: (...given) => engine.take(...given)
    })
    engine.crypto.onEvent((event) => engine.quietly(engine.notice(event)))
    engine.change({ leads: true })
    engine.clockless = setTimeout(() => engine.withoutServer(), WITHOUT_SERVER_MS)
    connection.start()
    return engine
  }

  stop(): void {
    this.stopped = true
    clearTimeout(this.leaving)
    this.connection.stop()
    this.outbox.reset()
    clearTimeout(this.clockless)
    this.expiry.stop()
    this.history.stop()
    this.keybook.stop()
    for (const timer of this.typingEnds.values()) clearTimeout(timer)
  }

  woken(): void {
    if (this.stopped) return
    if (!this.connection.online) this.connection.nudge()
    this.quietly(this.outbox.wake())
    this.quietly(this.settings.flush())
    this.quietly(this.places())
    this.quietly(this.expiry.run())
  }

  nudge(): void {
    this.connection.nudge()
  }

  /** Once all that was missed is here. */
  private async places(): Promise<void> {
    if (this.session.caughtUp && this.connection.online) await this.catchUp.places()
  }

  visible(on: boolean): void {
    this.connection.setActive(on)
    clearTimeout(this.leaving)
    if (on) {
      this.connection.nudge()
      this.setAway(false)
    } else this.leaving = setTimeout(() => this.setAway(true), this.deps.awayAfter ?? AWAY_AFTER_MS)
  }

  /** The page is closed or reloaded. */
  leave(): void {
    this.connection.leave(unavailable())
  }

  /** Who has not looked for a while is not shown as online. */
  private setAway(on: boolean): void {
    if (this.away === on || this.stopped) return
    this.away = on
    this.quietly(this.showPresence())
  }

  private async showPresence(): Promise<void> {
    const { away } = this
    const presence = await available(away)
    if (this.connection.online && away === this.away) this.connection.tell(presence)
  }

  /** What other tabs, too, have done here; named as in `App`. */
  async call(method: string, args: unknown[]): Promise<unknown> {
    const soon = <T>(work: () => Promise<T>) => {
      this.connection.nudge()
      return patiently(this.live, work)
    }
    const lettingIn = async (address: Address, work: () => Promise<unknown>) => {
      await soon(work)
      this.crypto.letIn(address)
      if (domainOf(address) !== domainOf(this.me)) this.quietly(this.meet(address))
    }
    const calls: Partial<Record<keyof App, Call>> = {
      typing: async (chat: Address, on: boolean) => {
        const told = await isAccepted(this.db, this.me, chat)
        if (told && this.connection.online) this.connection.tell(typingState(chat, on))
      },
      older: (chat: Address) => this.catchUp.older(chat),
      addContact: (address: Address, name: string) =>
        lettingIn(address, () => this.roster.add(address, name)),
      renameContact: (address: Address, name: string) => soon(() => this.roster.rename(address, name)),
      removeContact: (address: Address) => soon(() => this.roster.remove(address)),
      acceptContact: (address: Address) => lettingIn(address, () => this.roster.accept(address)),
      block: (address: Address, on: boolean) => lettingIn(address, () => this.roster.block(address, on)),
      report: async (address: Address, reason: 'spam' | 'abuse', ids: string[], block: boolean) => {
        // There is no telling without blocking (XEP-0377 §3): who is not to be blocked is let in again
        const stays = block || (await this.db.contacts.get(address))?.blocked
        await soon(() => this.roster.report(address, reason, ids))
        if (!stays) await lettingIn(address, () => this.roster.block(address, false))
      },
      askLastSeen: async (address: Address) => {
        const moment = await this.roster.lastSeen(address, this.deps.now())
        if (moment !== undefined)
          this.change({ lastSeen: { ...this.live.value.lastSeen, [address]: moment } })
      },
      setProfile: (profile: ProfileChange) => soon(() => this.profiles.set(profile)),
      hasDevices: async (account: Address) => {
        const known = await this.crypto.fingerprints(account)
        return known.some((one) => one.active) || (await this.keys.devices(account)).length > 0
      },
      fingerprints: (account: Address) => this.crypto.fingerprints(account),
      safetyNumber: (account: Address) => this.crypto.safetyNumber(account),
      safetyCode: (account: Address) => this.crypto.safetyCode(account),
      compareCode: async (account: Address, scanned: string) => {
        const fits = await this.crypto.compareCode(account, scanned)
        await this.keybook.flush()
        if (fits) await this.trusted(account)
        return fits
      },
      setTrust: async (account: Address, device: number, trust: 'verified' | 'first-use' | 'distrusted') => {
        await this.crypto.setTrust(account, device, trust)
        await this.keybook.flush()
        if (trust !== 'distrusted') await this.trusted(account)
      },
      wantHistory: (on: boolean) => this.history.requests.wish(on),
      compareHistory: (device: number, same: boolean) => this.history.requests.compared(device, same),
      decideHistory: (device: number, agree: boolean) => this.history.requests.decide(device, agree),
      takeHistory: async () => this.history.wake(),
      stopTaking: () => this.history.stopTaking(),
      stopGiving: (id: string) => this.history.stopGiving(id),
      mergeRecords: async (records: HistoryRecord[]) => (await this.take(records)).added,
      logOut: () => this.logOut()
    }
    const call = calls[method as keyof App] as ((...args: unknown[]) => Promise<unknown>) | undefined
    if (!call) throw new Error(`no ${method}`)
    return call(...args)
  }

  private async logOut(): Promise<void> {
    const credential = await this.db.fact<Credential>('credential')
    if (credential && this.deps.endLogin) {
      // Without the server the device goes all the same; it can be revoked from another
      const giveUp = new Promise<void>((resolve) => setTimeout(resolve, 5000))
      await Promise.race([this.deps.endLogin(credential).catch(() => undefined), giveUp])
    }
    this.stop()
  }

  private async renewed(token: string): Promise<void> {
    const credential = await this.db.fact<Credential>('credential')
    if (credential) await this.db.setFact('credential', { ...credential, token })
  }

  /**
   * Who wrote for the first time is shown with their profile. On another server, whoever runs that would see by it that
   * this device is there, and its full address: only when they were let in.
   */
  private async meet(address: Address): Promise<void> {
    const here = domainOf(address) === domainOf(this.me)
    if (here || (await isAccepted(this.db, this.me, address))) await this.profiles.fetch(address)
  }

  private async limit(bytes: number): Promise<void> {
    if (bytes > 0 && (await this.db.fact<number>(STANZA_BYTES)) !== bytes)
      await this.db.setFact(STANZA_BYTES, bytes)
  }

  private online(newest: string | undefined): void {
    if (newest === undefined) {
      const { session } = this
      this.change({ connection: session.caughtUp ? 'online' : 'syncing', present: this.presences.all() })
      this.quietly(this.outbox.wake())
      this.quietly(this.settings.flush())
      // The device may have slept, or its clock have been set
      this.quietly(this.setClock())
      if (session.caughtUp) this.history.begin()
      this.quietly(this.places())
      this.again(session)
      return
    }
    this.presences.clear()
    this.history.fresh()
    this.settings.fresh()
    this.outbox.reset()
    this.outbox.hold(true)
    this.state('syncing')
    this.session = { ...NOT_BEGUN }
    this.ready = this.catchUp.begin(newest).then(() => this.crypto.online())
    void this.settle(this.session)
  }

  /** All that a new session begins with. */
  private async settle(session: Beginning): Promise<void> {
    session.running = true
    try {
      await this.ready
      await this.showPresence()
      this.quietly(this.outbox.wake())
      const contacts = Promise.allSettled([this.roster.load(), this.setClock()])
      await this.catchUp.run()
      this.expiry.changed()
      const [roster] = await contacts
      if (session !== this.session || !this.connection.online) return
      session.caughtUp = true
      await this.catchUp.retry()
      this.crypto.letIn() // as by another device of mine, while this one was away
      this.outbox.hold(false)
      this.state('online')
      this.history.begin()
      this.quietly(this.places())
      await this.settings.load()
      await this.settings.flush()
      if (!(await this.db.contacts.get(this.me))) await this.profiles.fetch(this.me)
      if (roster.status === 'rejected') throw roster.reason
      session.done = true
      this.quietly(this.allTrusted())
    } catch {
      if (this.connection.online) setTimeout(() => this.again(session), 5000)
    } finally {
      session.running = false
    }
  }

  /** Perhaps the app ended when somebody had just compared keys. */
  private async allTrusted(): Promise<void> {
    for (const account of await this.outbox.refusing()) await this.trusted(account)
  }

  /** Unless it is done or under way. The connection may have gone before its end, or the server have failed. */
  private again(session: Beginning): void {
    const wanted = session === this.session && !session.done && !session.running
    if (!wanted || this.stopped || !this.connection.online) return
    this.ready = this.crypto.online().catch(() => undefined)
    void this.settle(session)
  }

  /** Who is there can't be said without a connection; a session that goes on knows it still. */
  private offline(): void {
    this.change({ connection: 'offline', typing: {}, present: {}, progress: undefined })
  }

  /** Rejects only if nothing can be stored, not for what is in a stanza. */
  private async stanza(stanza: Xml): Promise<void> {
    const { name } = stanza
    if (name === 'message') return this.message(stanza)
    try {
      if (name === 'iq') await this.iq(stanza)
      else await this.presence(stanza)
    } catch (error) {
      await this.aside.count(`${name}: ${String(error)}`)
    }
  }

  private async message(stanza: Xml): Promise<void> {
    const event = eventOf(stanza)
    if (event) {
      await this.event(attribute(stanza, 'from') || this.me, event.node, event.items)
      return
    }
    const copy = carbon(stanza, this.me)
    // A message that only claims to be a copy is one of its sender's, as it is in the archive
    const message = copy?.message ?? stanza
    const delay = delayed(copy?.forwarded ?? stanza)
    const id = archiveId(message, this.me, delay, this.deps.now())
    const entry = { id, at: archiveTime(id, delay, this.deps.now()), message }
    try {
      const came = read(message, this.me, id, entry.at)
      if (!came) return
      if (!came.mine && !came.error && came.state && delay === undefined) this.typing(came.from, came.state)
    } catch (error) {
      await this.aside.put(entry, error)
      return
    }
    // Nothing that could not be stored may be acknowledged before the session's place in the archive is known
    await this.ready.catch(() => undefined)
    await this.catchUp.live(entry)
    this.expiry.changed()
  }

  private async event(from: Address, node: string, items: Parameters<Profiles['event']>[2]): Promise<void> {
    // Of somebody who has never written nothing is kept, or anybody could fill the storage
    if (from !== this.me && !(await this.db.contacts.get(from))) return
    try {
      if (node === DEVICE_LIST) await this.crypto.devicesChanged(from, devicesOf(items))
      else if (PROFILE_NODES.includes(node))
        void this.profiles.event(from, node, items).catch(() => undefined)
      else if (from === this.me && SETTINGS_NODES.includes(node)) await this.settings.event(node, items)
    } catch {
      // An event is told again with the next session
    }
  }

  private async iq(iq: Xml): Promise<void> {
    const type = attribute(iq, 'type')
    const answer = (kind: 'result' | 'error', ...content: Parameters<typeof el>[2][]) => {
      const head = {
        xmlns: NS.client,
        type: kind,
        id: attribute(iq, 'id'),
        to: attribute(iq, 'from') || undefined
      }
      this.connection.tell(el('iq', head, ...content))
    }
    const refuse = () =>
      answer('error', el('error', { type: 'cancel' }, el('service-unavailable', { xmlns: NS.stanzas })))
    const query = child(iq, NS.disco, 'query')
    const history = type === 'set' ? this.history.answer(iq) : undefined
    if (history) {
      // It takes a while; what comes behind does not wait for it
      void history.then(
        (content) => answer('result', content),
        (error: unknown) => answer('error', errorOf(error))
      )
    } else if (type === 'set' && (await this.roster.push(iq))) {
      answer('result')
      this.crypto.letIn() // as by another device of mine
    } else if (!(await this.maySee(attribute(iq, 'from')))) refuse()
    else if (type === 'get' && child(iq, NS.ping, 'ping')) answer('result')
    else if (type === 'get' && query) answer('result', info(query))
    else refuse()
  }

  /** Whether somebody may know that this device is there: who sees my presence, and my own server and devices. */
  private async maySee(from: string): Promise<boolean> {
    const account = bare(from)
    if (account === '' || account === this.me || account === domainOf(this.me)) return true
    const subscription = (await this.db.contacts.get(account))?.subscription
    return subscription === 'from' || subscription === 'both'
  }

  /** Records of the history, from another device of mine or from a backup. */
  private async take(records: HistoryRecord[], also?: (added: number) => Promise<void>): Promise<Merged> {
    const merged = await this.catchUp.meanwhile(() =>
      merge(this.db, this.me, records, this.deps.passed(), also)
    )
    this.incoming.said(merged.saidOf)
    this.crypto.letIn() // whoever was written to
    this.quietly(this.expiry.run())
    return merged
  }

  private async presence(presence: Xml): Promise<void> {
    const type = attribute(presence, 'type')
    const from = bare(attribute(presence, 'from'))
    if (type === 'error') return
    if (type !== '' && type !== 'unavailable') {
      await this.roster.asked(presence)
      return
    }
    if (from === this.me) {
      this.history.presence(attribute(presence, 'from'), type === '')
      return
    }
    const taken = this.presences.take(presence)
    if (!taken) return
    const { address, there } = taken
    const { present, lastSeen } = this.live.value
    const before = valueOf(present, address)
    if (before === undefined && there === 'offline') return
    const left = there === 'offline' && before !== 'offline'
    this.change({
      present: { ...present, [address]: there },
      ...(left && { lastSeen: { ...lastSeen, [address]: this.deps.now() } })
    })
  }

  private typing(from: Address, state: string): void {
    clearTimeout(this.typingEnds.get(from))
    const others = Object.entries(this.live.value.typing).filter(([address]) => address !== from)
    if (state === 'composing') {
      others.push([from, this.deps.now()])
      this.typingEnds.set(
        from,
        setTimeout(() => this.typing(from, 'paused'), TYPING_MS)
      )
    } else if (others.length === Object.keys(this.live.value.typing).length) {
      return
    }
    this.change({ typing: Object.fromEntries(others) })
  }

  /** Somebody's device can't read a message of mine. How often it may ask is bounded; false: enough for a day. */
  private async asked(from: Address, device: number, id: string, trusted: boolean): Promise<boolean> {
    if (!trusted) {
      await this.outbox.refuse(from, device, id)
      return true
    }
    const name = `resent ${from}/${device}`
    const now = this.deps.now()
    const may = await this.db.transaction('rw', this.db.facts, this.db.outgoing, async () => {
      const before = await this.db.fact<{ since: Moment; ids: Record<string, number> }>(name)
      const book = before && now - before.since < DAY_MS ? before : { since: now, ids: {} }
      const times = book.ids[id] ?? 0
      if (Object.keys(book.ids).length >= RESENT_A_DAY) return false
      if (times >= RESENT_OF_ONE) return true
      await this.db.setFact(name, { since: book.since, ids: { ...book.ids, [id]: times + 1 } })
      const what = { type: 'resent' as const, of: id, device }
      await this.db.outgoing.add({ to: from, id: crypto.randomUUID(), what, tries: 0 })
      return true
    })
    if (may) this.woken()
    return may
  }

  /** What was kept from devices that were not trusted, they get once they are. */
  private async trusted(account: Address): Promise<void> {
    for (const one of await this.outbox.due(account)) {
      if (await this.asked(account, one.device, one.of, true)) await this.outbox.granted(account, one)
    }
    if (await afterTrust(this.db, account, await this.crypto.fingerprints(account), this.deps.now()))
      this.woken()
  }

  /** Keys of a contact have changed: the conversation says so. */
  private async notice(event: CryptoEvent): Promise<void> {
    if (event.type === 'new-device') return this.db.setFact(NEW_DEVICE, this.deps.now())
    const { account, verified } = event
    await Work.run(this.db, async (work) => {
      const { at } = await work.chat(account)
      const moment = Math.max(this.deps.now(), at)
      const id = crypto.randomUUID()
      await addMessage(work, this.me, {
        ...{ key: messageKey(account, this.me, true, id), chat: account, at: moment, order: orderAt(moment) },
        ...{
          from: account,
          mine: false,
          id,
          kind: 'notice',
          progress: 'read',
          reactions: {},
          encrypted: true
        },
        text: verified ? 'keys-changed-verified' : 'keys-changed'
      })
    })
  }

  /** XEP-0202: how late it is for the server. */
  private async setClock(): Promise<void> {
    try {
      const answer = await this.connection.request('get', domainOf(this.me), el('time', { xmlns: NS.time }))
      await this.deps.clock(Date.parse(textOf(child(child(answer, NS.time, 'time'), NS.time, 'utc'))))
    } catch (error) {
      if (!(error instanceof Refused)) return // it is asked again with the next connection
      await this.deps.clock(NaN)
    }
    this.quietly(this.expiry.run())
  }

  private withoutServer(): void {
    void this.deps.clock(undefined)
    this.quietly(this.expiry.run())
  }

  /** What fails when the storage is closed, as after a log-out in another tab, is nobody's. */
  private quietly(work: Promise<unknown>): void {
    work.catch(() => undefined)
  }

  private state(connection: State): void {
    this.change({ connection })
  }

  private change(change: Partial<Live>): void {
    if (!this.stopped) this.live.set({ ...this.live.value, ...change })
  }
}

/** The error of an answer (RFC 6120 §8.3). */
function errorOf(error: unknown): Made {
  const { condition, type } =
    error instanceof Refused ? error : new Refused('internal-server-error', 'cancel')
  return el('error', { type }, el(condition, { xmlns: NS.stanzas }))
}
