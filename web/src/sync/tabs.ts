/**
 * Makes all tabs one device. The tab that holds a Web Lock leads and owns the connection; the others share the database
 * and have the leader do what needs the connection. When the leader closes, another tab takes over.
 */
import type { CallEvent } from '../calls/types'
import type { Live } from './app'
import { NotConnected } from '../xmpp/errors'

type Said =
  | { type: 'hello' }
  | { type: 'live'; live: Live }
  | { type: 'woken' }
  | { type: 'visible'; tab: string; on: boolean }
  | { type: 'ended' }
  | { type: 'call-event'; event: CallEvent }
  | { type: 'call'; id: string; method: string; args: unknown[] }
  | { type: 'answer'; id: string; value?: unknown; error?: string; unconnected?: boolean }

export interface Leading {
  call(method: string, args: unknown[]): Promise<unknown>
  woken(): void
  visible(on: boolean): void
  stop(): void
}

export interface TabsDeps {
  /** Undefined: this is the only tab. */
  locks: LockManager | undefined
  channel: BroadcastChannel | undefined
  lock: string
  lead(): Promise<Leading>
  live(live: Live): void
  ended(): void
  /** Something has happened to a call of this tab. */
  event(event: CallEvent): void
}

interface Waiting {
  method: string
  args: unknown[]
  resolve(value: unknown): void
  reject(error: Error): void
}

export class Tabs {
  readonly tab: string = crypto.randomUUID()
  private readonly seen = new Set<string>()
  /** Until a tab tells whether it is visible, the app counts as visible. */
  private told = false
  private readonly waiting = new Map<string, Waiting>()
  private leading: Leading | undefined
  private last: Live | undefined
  private release: () => void = () => undefined
  private closed = false

  constructor(private readonly wiring: TabsDeps) {
    const { channel } = wiring
    if (channel) {
      channel.onmessage = ({ data }) => void this.hear(data as Said)
    }
  }

  start(): void {
    const { locks, lock } = this.wiring
    const held = new Promise<void>((release) => (this.release = release))
    const leads = async () => {
      if (this.closed) return
      await this.lead()
      await held
    }
    const done = locks ? locks.request(lock, leads) : leads()
    // The storage is closed, for example after a log-out
    done.catch((error: unknown) => console.debug('this tab does not lead', error))
    this.say({ type: 'hello' })
  }

  /** Has the leading tab execute a call, whichever tab leads when that is possible. */
  call(method: string, args: unknown[]): Promise<unknown> {
    if (this.leading) return this.leading.call(method, args)
    const id = crypto.randomUUID()
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { method, args, resolve, reject })
      this.say({ type: 'call', id, method, args })
    })
  }

  woken(): void {
    if (this.leading) this.leading.woken()
    else this.say({ type: 'woken' })
  }

  visible(on: boolean): void {
    this.see(this.tab, on)
    this.say({ type: 'visible', tab: this.tab, on })
  }

  /** Tells the other tabs the transient state. */
  tell(live: Live): void {
    this.last = live
    this.say({ type: 'live', live })
  }

  /** Tells the tab of a call what has happened to it; all tabs, if it has none. */
  tellEvent(event: CallEvent): void {
    if (event.tab === '' || event.tab === this.tab) this.wiring.event(event)
    if (event.tab !== this.tab) this.say({ type: 'call-event', event })
  }

  /** The device is logged out, so all tabs end. */
  end(): void {
    this.say({ type: 'ended' })
    this.close()
  }

  close(): void {
    this.closed = true
    this.leading?.stop()
    this.leading = undefined
    this.release()
    this.wiring.channel?.close()
  }

  private async lead(): Promise<void> {
    const leading = await this.wiring.lead()
    if (this.closed) {
      leading.stop()
      return
    }
    this.leading = leading
    if (this.told) this.leading.visible(this.seen.size > 0)
    for (const { method, args, resolve, reject } of this.waiting.values()) {
      this.leading.call(method, args).then(resolve, reject)
    }
    this.waiting.clear()
  }

  private async hear(said: Said): Promise<void> {
    if (said.type === 'visible') this.see(said.tab, said.on)
    else if (said.type === 'ended') {
      this.close()
      this.wiring.ended()
    } else if (said.type === 'call-event') {
      if (said.event.tab === '' || said.event.tab === this.tab) this.wiring.event(said.event)
    } else if (said.type === 'live') {
      if (!this.leading) this.wiring.live(said.live)
    } else if (said.type === 'answer') {
      const waiting = this.waiting.get(said.id)
      this.waiting.delete(said.id)
      if (said.error === undefined) waiting?.resolve(said.value)
      else waiting?.reject(said.unconnected ? new NotConnected() : new Error(said.error))
    } else if (this.leading) {
      if (said.type === 'hello' && this.last) this.say({ type: 'live', live: this.last })
      if (said.type === 'woken') this.leading.woken()
      if (said.type === 'call') await this.answer(this.leading, said.id, said.method, said.args)
    }
  }

  private async answer(leading: Leading, id: string, method: string, args: unknown[]): Promise<void> {
    try {
      this.say({ type: 'answer', id, value: await leading.call(method, args) })
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error)
      this.say({ type: 'answer', id, error: text, unconnected: error instanceof NotConnected })
    }
  }

  private see(tab: string, on: boolean): void {
    this.told = true
    if (on) this.seen.add(tab)
    else this.seen.delete(tab)
    this.leading?.visible(this.seen.size > 0)
  }

  private say(said: Said): void {
    if (!this.closed) this.wiring.channel?.postMessage(said)
  }
}
