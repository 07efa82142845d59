/** The calls of this tab, as Svelte state, and what the user does with them. */
import { Call, type CallView } from '../calls/call'
import {
  blur,
  blurs,
  type DeviceProblem,
  NoDevice,
  openCamera,
  openMicrophone,
  openScreen
} from '../calls/devices'
import { type CallAction, type CallEvent, type CallState, type Reason, UNKNOWN_CALL } from '../calls/types'
import { recall, remember } from '../local/browser-storage'
import type { Address } from '../local/types'
import type { App } from '../sync/app'

/** How long it is shown that a call is over, in milliseconds. */
const ENDED_MS = 2600
const MICROPHONE = 'kith.call-microphone'
const CAMERA = 'kith.call-camera'

export class Calling {
  /** The newest last. */
  views = $state.raw<readonly CallView[]>([])
  /** Why the microphone or the camera is not used. */
  problem = $state.raw<{ device: 'microphone' | 'camera'; why: DeviceProblem }>()
  /** The permission of the browser is asked for. */
  asking = $state<'microphone' | 'camera' | ''>('')
  small = $state(false)
  blurred = $state(false)
  mayBlur = $state(false)
  facing: 'user' | 'environment' = 'user'
  // not drawn: `views` is
  // eslint-disable-next-line svelte/prefer-svelte-reactivity
  private readonly calls = new Map<string, Call>()
  // eslint-disable-next-line svelte/prefer-svelte-reactivity
  private readonly heard = new Map<string, CallEvent[]>()

  constructor(
    private readonly app: App,
    private readonly configuration: (account: Address) => Promise<RTCConfiguration>
  ) {}

  /** The call that is spoken in; those before it are held. */
  get current(): CallView | undefined {
    return this.views.findLast(({ held, phase }) => !held && phase !== 'ended') ?? this.views.at(-1)
  }

  get running(): boolean {
    return this.views.some(({ phase }) => phase !== 'ended')
  }

  /** Listens to the signalling. Returns what ends that. */
  follow(): () => void {
    const stop = this.app.onCall((event) => {
      this.event(event)
    })
    let leads: readonly CallState[] | undefined
    const live = this.app.live.subscribe(({ calls, connection }) => {
      if (leads && calls === undefined) this.adopt()
      leads = calls ?? leads
      for (const { id, phase } of calls ?? []) if (phase === 'ringing') this.calls.get(id)?.rings()
      if (connection === 'online') this.adopt()
    })
    const network = (): void => {
      for (const call of this.calls.values()) call.networkChanged()
    }
    const leave = (): void => {
      for (const call of this.calls.values()) void call.hangUp('gone')
    }
    addEventListener('online', network)
    addEventListener('pagehide', leave)
    return () => {
      stop()
      live()
      removeEventListener('online', network)
      removeEventListener('pagehide', leave)
    }
  }

  async start(to: Address, video: boolean): Promise<void> {
    if (this.views.some((one) => one.with === to && one.phase !== 'ended')) return
    const call = this.add({ id: crypto.randomUUID(), with: to, outgoing: true })
    await this.holdOthers(call)
    await this.useDevices(call, video)
    if (call.ended) return
    await this.app.call({ do: 'propose', id: call.id, to, video, tab: this.app.tab })
    call.prepare()
  }

  /** Somebody calls, so relays will soon be needed. */
  expect({ with: account }: CallState): void {
    this.configuration(account).catch(() => undefined)
  }

  async accept({ id, with: account }: CallState, video: boolean): Promise<void> {
    const call = this.add({ id, with: account, outgoing: false })
    await this.holdOthers(call)
    const [peer] = await Promise.all([
      this.app.call({ do: 'accept', id, tab: this.app.tab }),
      this.useDevices(call, video)
    ])
    if (typeof peer === 'string') call.calledBy(peer)
    else call.event({ type: 'ended', id, tab: '', reason: 'elsewhere' })
  }

  async reject(id: string, reason: Reason = 'decline'): Promise<void> {
    await this.app.call({ do: 'reject', id, reason })
  }

  async hangUp(id: string): Promise<void> {
    await this.calls.get(id)?.hangUp()
  }

  async mute(id: string, on: boolean): Promise<void> {
    await this.calls.get(id)?.mute(on)
  }

  async hold(id: string, on: boolean): Promise<void> {
    const call = this.calls.get(id)
    if (!call) return
    if (!on) await this.holdOthers(call)
    await call.hold(on)
  }

  async camera(id: string, on: boolean): Promise<void> {
    const call = this.calls.get(id)
    if (call) await (on ? this.useCamera(call) : call.send({ picture: null }))
  }

  async screen(id: string, on: boolean): Promise<void> {
    const call = this.calls.get(id)
    if (!call) return
    if (!on) {
      await call.send({ picture: null })
      return
    }
    try {
      const picture = await openScreen()
      picture.addEventListener('ended', () => void this.screen(id, false).catch(() => undefined))
      await call.send({ picture, screen: true })
    } catch (error) {
      // nothing was chosen
      if (!(error instanceof NoDevice)) throw error
    }
  }

  /** The camera at the other side of a phone. */
  async turn(id: string): Promise<void> {
    this.facing = this.facing === 'user' ? 'environment' : 'user'
    remember(CAMERA, '')
    const call = this.calls.get(id)
    if (call && call.view.picture === 'camera') await this.useCamera(call)
  }

  async choose(kind: 'audioinput' | 'videoinput', device: string): Promise<void> {
    remember(kind === 'audioinput' ? MICROPHONE : CAMERA, device)
    const call = this.current && this.calls.get(this.current.id)
    if (!call || call.ended) return
    if (kind === 'audioinput') await this.useMicrophone(call)
    else if (call.view.picture === 'camera') await this.useCamera(call)
  }

  chosen(kind: 'audioinput' | 'videoinput'): string {
    return recall(kind === 'audioinput' ? MICROPHONE : CAMERA) ?? ''
  }

  async blur(id: string, on: boolean): Promise<void> {
    const track = this.calls.get(id)?.view.local.getVideoTracks()[0]
    if (!track) return
    await blur(track, on)
    this.blurred = on
  }

  /** Asks for the microphone again, for example after its permission was given. */
  async again(id: string): Promise<void> {
    const call = this.calls.get(id)
    if (call) await (this.problem?.device === 'camera' ? this.useCamera(call) : this.useMicrophone(call))
  }

  private async useDevices(call: Call, video: boolean): Promise<void> {
    await this.useMicrophone(call)
    if (video && !call.ended) await this.useCamera(call)
  }

  private async useMicrophone(call: Call): Promise<void> {
    await this.use(call, 'microphone', async () => {
      const microphone = await openMicrophone(this.chosen('audioinput'))
      if (call.ended) microphone.stop()
      else await call.send({ microphone })
    })
  }

  private async useCamera(call: Call): Promise<void> {
    await this.use(call, 'camera', async () => {
      const picture = await openCamera(this.chosen('videoinput'), this.facing)
      if (call.ended) picture.stop()
      else await call.send({ picture })
      this.mayBlur = blurs(picture)
      this.blurred = false
    })
  }

  private async use(call: Call, device: 'microphone' | 'camera', open: () => Promise<void>): Promise<void> {
    // a permission that was given is not asked for
    const asking = setTimeout(() => (this.asking = device), 400)
    try {
      await open()
      if (this.problem?.device === device) this.problem = undefined
    } catch (error) {
      if (!(error instanceof NoDevice)) throw error
      if (!call.ended) this.problem = { device, why: error.problem }
    } finally {
      clearTimeout(asking)
      this.asking = ''
    }
  }

  private async holdOthers(call: Call): Promise<void> {
    for (const other of this.calls.values())
      if (other !== call && !other.ended) void other.hold(true).catch(() => undefined)
    await this.app.call({ do: 'hold-others', id: call.id, tab: this.app.tab }).catch(() => undefined)
  }

  private event(event: CallEvent): void {
    const call = this.calls.get(event.id)
    if (event.type === 'replaced') {
      this.replaced(event)
      return
    }
    if (call) call.event(event)
    else if (event.tab === this.app.tab && event.type === 'jingle')
      // its call is about to be added
      this.heard.set(event.id, [...(this.heard.get(event.id) ?? []), event].slice(-8))
  }

  /** Both have called each other, or the other side has called again: the call goes on as another one. */
  private replaced({ id, by, peer }: CallEvent & { type: 'replaced' }): void {
    const old = this.calls.get(id)
    if (!old) return
    const { with: account, picture } = old.view
    this.calls.delete(id)
    old.event({ type: 'ended', id, tab: '', reason: 'expired' })
    const call = this.add({ id: by, with: account, outgoing: false })
    call.calledBy(peer)
    this.views = this.views.filter((one) => one.id !== id)
    void this.useDevices(call, picture === 'camera').catch(() => undefined)
  }

  private add(state: Pick<CallState, 'id' | 'with' | 'outgoing'>): Call {
    const call: Call = new Call(state, {
      act: (action) => this.act(call, action),
      now: () => this.app.now(),
      configuration: this.configuration,
      me: this.app.me,
      local: /^(?:localhost|127\.0\.0\.1|\[::1\])$/.test(location.hostname),
      changed: (changed) => {
        this.show(changed)
      }
    })
    this.calls.set(state.id, call)
    this.problem = undefined
    this.show(call)
    for (const event of this.heard.get(state.id) ?? []) call.event(event)
    this.heard.delete(state.id)
    return call
  }

  /** The tab that leads may do so since a moment only, and not know the call yet. */
  private async act(call: Call, action: CallAction): Promise<unknown> {
    const done = await this.app.call(action)
    if (done !== UNKNOWN_CALL) return done
    const adopted = call.adopted(this.app.tab)
    if (!adopted) return action.do === 'send' ? 'item-not-found' : undefined
    await this.app.call({ do: 'adopt', call: adopted })
    return this.app.call(action)
  }

  private show({ view }: Call): void {
    if (!this.calls.has(view.id)) return
    const at = this.views.findIndex(({ id }) => id === view.id)
    const ended = view.phase === 'ended' && this.views[at]?.phase !== 'ended'
    this.views = at < 0 ? [...this.views, view] : this.views.with(at, view)
    if (!ended) return
    const others = this.views.filter(({ id, phase }) => id !== view.id && phase !== 'ended')
    // a call that was held goes on by itself, as on a phone
    if (others.length === 1 && others[0]?.held) void this.calls.get(others[0].id)?.hold(false)
    setTimeout(
      () => {
        this.calls.delete(view.id)
        this.views = this.views.filter(({ id }) => id !== view.id)
        if (!this.views.length) this.small = false
      },
      others.length ? 0 : ENDED_MS
    )
  }

  /** Tells a tab that leads from now on which calls this one has. */
  private adopt(): void {
    let known: readonly CallState[] = []
    this.app.live.subscribe(({ calls = [] }) => (known = calls))()
    for (const call of this.calls.values()) {
      const adopted = call.adopted(this.app.tab)
      if (adopted && !known.some(({ id }) => id === call.id))
        void this.app.call({ do: 'adopt', call: adopted }).catch(() => undefined)
    }
  }
}
