/**
 * Repairs after messages that can't be read: a new session with the device that sent them, and a request to send them
 * again. This happens in the background, with limits, and continues after a restart. A request shows that this device
 * is online, and its full address. So strangers are asked only after they are accepted, and the ids are stored until
 * then.
 */
import type { Address, Moment } from '../local/types'
import { spend } from './budget'
import type { KeyNetwork } from './crypto'
import type { Devices } from './devices'
import type { Own } from './own-device'
import { hasOpen } from './sessions'
import { path, type SessionRepair as State, type Store } from './store'
import type { Encrypting } from './encrypting'

/** How many messages a device may be asked for at the same time, and the maximum length of their ids. */
const MAX_WANTED = 100
const MAX_ID = 256
const ASKS = 30
const ASKS_PER_HOUR = 60
const RENEWALS = 3
const RENEWALS_PER_HOUR = 3
/** A session that is newer than this is not replaced: messages that arrive now were sent before. */
const JUST_RENEWED = 60_000
const MAX_DEVICES = 64
/**
 * If a device has created a new session, it may have been unable to read earlier requests: how often they are repeated,
 * and how recent they have to be.
 */
const MAX_TIMES = 3
const LATELY = 600_000

type Asked = NonNullable<State['asked']>[number]

export class SessionRepair {
  private readonly running = new Map<string, Promise<void>>()
  /** Strangers who are not asked yet. */
  private readonly held = new Set<Address>()

  constructor(
    private readonly store: Store,
    private readonly own: Own,
    private readonly devices: Devices,
    private readonly encrypting: Encrypting,
    private readonly network: KeyNetwork,
    private readonly now: () => Moment
  ) {}

  /**
   * Handles a message that could not be read. Returns whether its sender will be asked; a stranger only after they are
   * accepted.
   */
  async unreadable(from: Address, device: number, id: string, renew: boolean): Promise<boolean> {
    const wanted = await this.store.together(async () => {
      if (id === '' || id.length > MAX_ID) return false
      if ((await this.devices.trust(from, device)) === 'distrusted') return false
      if (await this.devices.lacks(from, device)) return false
      const all = await this.store.below<State>(`healing/${from}/`)
      const state = all.get(String(device)) ?? { wanted: [], renew: false }
      if (!all.has(String(device)) && all.size >= MAX_DEVICES) return false
      const known = state.wanted.includes(id)
      if (!known && state.wanted.length >= MAX_WANTED) return false
      const wanted = known ? state.wanted : [...state.wanted, id]
      await this.store.put(path('healing', from, device), { ...state, wanted, renew: state.renew || renew })
      return true
    })
    if (!wanted || !(await this.accepted(from))) return false
    void this.mend(from, device)
    return true
  }

  /** The device has created a new session, so it may have been unable to read requests in the old one. */
  async renewed(from: Address, device: number): Promise<void> {
    const { asked = [] } = await this.store.repairState(from, device)
    const again = asked.filter(({ at, times }) => this.now() - at < LATELY && times < MAX_TIMES)
    if (again.length === 0) return
    await this.change(from, device, (state) => ({
      ...state,
      wanted: [...new Set([...state.wanted, ...again.map(({ id }) => id)])].slice(0, MAX_WANTED)
    }))
    void this.mend(from, device)
  }

  /** Continues what was left undone, for example after a restart or when a limit was reached. */
  async goOn(): Promise<void> {
    await this.goOnBelow('')
  }

  /** Somebody may have been accepted. */
  async retryRequests(account: Address): Promise<void> {
    if (!this.held.has(account)) return
    // A repair that has just begun may have checked before
    for (const [name, running] of this.running) if (name.startsWith(`${account}/`)) await running
    await this.goOnBelow(`${account}/`)
  }

  private async goOnBelow(start: string): Promise<void> {
    for (const [rest, { wanted }] of await this.store.below<State>(`healing/${start}`)) {
      const [account, device] = `${start}${rest}`.split('/')
      if (wanted.length > 0 && account !== undefined) void this.mend(account, Number(device))
    }
  }

  /** Resolves when no repair is in progress. */
  async idle(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running.values())
  }

  /** Runs one repair at a time for each device; a running one also handles what is added in the meantime. */
  mend(account: Address, device: number): Promise<void> {
    const name = `${account}/${device}`
    const before = this.running.get(name)
    if (before !== undefined) return before
    const now = this.heal(account, device)
      .catch(() => undefined) // no connection: see goOn
      .finally(() => this.running.delete(name))
    this.running.set(name, now)
    return now
  }

  private async heal(account: Address, device: number): Promise<void> {
    const own = await this.own.get()
    if (own === undefined || !(await this.accepted(account))) return
    if (!(await this.devices.active(account)).includes(device)) {
      await this.store.remove(path('healing', account, device))
      return
    }
    if ((await this.store.repairState(account, device)).renew) await this.renew(account, device)
    if (!hasOpen(await this.store.sessions(account, device))) return
    for (;;) {
      const { wanted, asks } = await this.store.repairState(account, device)
      const left = spend(asks, this.now(), ASKS, ASKS_PER_HOUR)
      const [id] = wanted
      if (id === undefined || left === undefined) return
      await this.network.askAgain(account, device, id)
      await this.change(account, device, (state) => ({
        ...state,
        asks: left,
        wanted: state.wanted.filter((other) => other !== id),
        asked: this.noted(state.asked ?? [], id)
      }))
    }
  }

  private async accepted(account: Address): Promise<boolean> {
    this.held.add(account) // if they are accepted in the meantime, they are asked
    const accepted = await this.network.accepted(account)
    if (accepted) this.held.delete(account)
    return accepted
  }

  private noted(asked: Asked[], id: string): Asked[] {
    const before = asked.find((other) => other.id === id)
    const others = asked.filter((other) => other.id !== id && this.now() - other.at < LATELY)
    return [...others, { id, at: this.now(), times: (before?.times ?? 0) + 1 }].slice(-MAX_WANTED)
  }

  private async renew(account: Address, device: number): Promise<void> {
    const own = await this.own.get()
    const { renewed, renewals } = await this.store.repairState(account, device)
    const open = hasOpen(await this.store.sessions(account, device))
    const justNow = open && renewed !== undefined && Math.abs(this.now() - renewed) < JUST_RENEWED
    const left = spend(renewals, this.now(), RENEWALS, RENEWALS_PER_HOUR)
    const settled = (state: State): State => ({ ...state, renew: false })
    if (own === undefined || justNow || left === undefined) return this.change(account, device, settled)
    if (!(await this.encrypting.renew(own, account, device))) return
    await this.change(account, device, (state) => ({
      ...settled(state),
      renewed: this.now(),
      renewals: left
    }))
    const envelope = await this.encrypting.keys(own, account, device)
    if (envelope !== undefined) await this.network.sendKeys(account, envelope)
  }

  private change(account: Address, device: number, change: (state: State) => State): Promise<void> {
    return this.store.together(async () => {
      const state = await this.store.repairState(account, device)
      await this.store.put(path('healing', account, device), change(state))
    })
  }
}
