/**
 * A call in the tab that has it: one session of Jingle (XEP-0166) with the other device, over one `Peer`. What the other
 * device asks is done one after the other. Signalling may be away for a while, for example while the server restarts:
 * sound and pictures go on.
 */
import type { Address, Moment } from '../local/types'
import { NotConnected } from '../xmpp/errors'
import { attribute, type OutgoingXml, parse, write, type Xml } from '../xmpp/xml'
import { type Content, type Description, fingerprint, Unacceptable } from './description'
import {
  bundleIn,
  contentsIn,
  describe,
  info,
  infoIn,
  jingle,
  type Action,
  nameElement,
  namesIn,
  type ReceivedContent,
  sealedFingerprint,
  transportElement,
  transportsIn
} from './jingle'
import { reasonElement, reasonIn } from './messages'
import { Peer } from './peer'
import { type Quality, QualityMeter } from './quality'
import { PICTURE_BITS, SCREEN_BITS, sendPicture, voiceFirst } from './sending'
import type { AdoptedCall, CallAction, CallEvent, CallState, Ending, Reason, Unsealed } from './types'

/** After so many milliseconds a call that does not connect, or not again, is over. */
const CONNECT_MS = 40_000
const LOST_MS = 60_000
/** Pause before the transports are restarted: the side that has called first, so that both do not collide. */
const RESTART_MS = { initiator: 1500, responder: 4000 }
const AGAIN_MS = 6000
const DELIVER_AGAIN_MS = 1000
const MEASURE_MS = 1500
/** Requests that wait to be handled. No honest device has so many. */
const MOST_WAITING = 200

export type Phase = 'calling' | 'ringing' | 'connecting' | 'connected' | 'reconnecting' | 'ended'

/** A call as it is shown. */
export interface CallView {
  id: string
  with: Address
  outgoing: boolean
  phase: Phase
  ending: Ending | undefined
  /** When it connected. */
  since: Moment | undefined
  /** How the key of the other device is known that has vouched for its certificate; undefined: not yet. */
  trust: Unsealed['trust'] | undefined
  muted: boolean
  /** The user's camera or screen is sent; `screen`: the latter. */
  picture: 'none' | 'camera' | 'screen'
  held: boolean
  theyMuted: boolean
  theyHeld: boolean
  theirPicture: boolean
  /** The picture is not sent, since the connection has room for the voice only. */
  pictureWaits: boolean
  quality: Quality | undefined
  /** The user is heard; else they can only listen. */
  speaks: boolean
  local: MediaStream
  remote: MediaStream
}

export interface CallDeps {
  act(action: CallAction): Promise<unknown>
  now(): Moment
  /** Relays, and whether only they are used. Asked again whenever transports are restarted. */
  configuration(account: Address): Promise<RTCConfiguration>
  /** The user's own full address does not matter to the other side; the account does. */
  me: Address
  local: boolean
  changed(call: Call): void
}

export class Call {
  view: CallView
  private peer: Peer | undefined
  private readonly side: 'initiator' | 'responder'
  private work: Promise<unknown> = Promise.resolve()
  private waiting = 0
  private device = 0
  /** The full address of the other device, once it takes part. */
  private known = ''
  /** The other device's certificate was vouched for, so no other way is accepted any more. */
  private sealed = false
  private initiated = false
  private accepted = false
  private lostAt: number | undefined
  private readonly timers = new Set<ReturnType<typeof setTimeout>>()
  private meter: QualityMeter | undefined
  private measuring: ReturnType<typeof setInterval> | undefined
  private readonly mutedContents = new Set<string>()
  private microphone: MediaStreamTrack | undefined
  private pictureTrack: MediaStreamTrack | undefined

  constructor(
    state: Pick<CallState, 'id' | 'with' | 'outgoing'>,
    private readonly deps: CallDeps
  ) {
    this.side = state.outgoing ? 'initiator' : 'responder'
    this.view = {
      ...{ id: state.id, with: state.with, outgoing: state.outgoing },
      phase: state.outgoing ? 'calling' : 'connecting',
      ...{ ending: undefined, since: undefined, trust: undefined, quality: undefined },
      ...{ muted: false, picture: 'none', held: false, theyMuted: false, theyHeld: false },
      ...{ theirPicture: false, pictureWaits: false, speaks: false },
      ...{ local: new MediaStream(), remote: new MediaStream() }
    }
    if (!state.outgoing) this.connectInTime()
  }

  get id(): string {
    return this.view.id
  }

  get ended(): boolean {
    return this.view.phase === 'ended'
  }

  /** What a tab that leads from now on has to know; undefined: the call is over. */
  adopted(tab: string): AdoptedCall | undefined {
    if (this.ended || !this.known) return undefined
    const { id, with: account, outgoing } = this.view
    const video = this.view.picture !== 'none'
    const state = { id, with: account, outgoing, video, phase: 'accepted' as const, tab }
    return { ...state, since: this.view.since ?? this.deps.now(), peer: this.known, device: this.device }
  }

  // -- what the user does ----------------------------------------------------------------------------------------------

  /** What is sent: undefined stays as it is, null stops it. */
  async send(tracks: {
    microphone?: MediaStreamTrack | null
    picture?: MediaStreamTrack | null
    screen?: boolean
  }): Promise<void> {
    if (tracks.microphone !== undefined) await this.sendVoice(tracks.microphone ?? undefined)
    if (tracks.picture !== undefined)
      await this.sendPicture(tracks.picture ?? undefined, tracks.screen === true)
  }

  private async sendVoice(track: MediaStreamTrack | undefined): Promise<void> {
    const before = this.microphone
    this.microphone = track
    if (track) track.enabled = !this.view.muted && !this.view.held
    const sender = this.peer?.sender('audio')
    if (sender) await sender.replaceTrack(track ?? null)
    else if (track && this.peer) this.peer.pc.addTrack(track)
    if (before && before !== track) before.stop()
    this.show({ speaks: track !== undefined })
  }

  private async sendPicture(track: MediaStreamTrack | undefined, screen: boolean): Promise<void> {
    const before = this.pictureTrack
    this.pictureTrack = track
    if (before && before !== track) before.stop()
    for (const one of this.view.local.getVideoTracks()) this.view.local.removeTrack(one)
    if (track) {
      this.view.local.addTrack(track)
      track.enabled = !this.view.held
      track.contentHint = screen ? 'detail' : 'motion'
    }
    this.show({
      picture: track ? (screen ? 'screen' : 'camera') : 'none',
      local: new MediaStream(this.view.local)
    })
    if (this.peer) await this.queue(() => this.carryPicture(track, screen))
  }

  /** Has the picture sent: in its content, or in a new one. */
  private async carryPicture(track: MediaStreamTrack | undefined, screen: boolean): Promise<void> {
    const { peer } = this
    if (!peer || this.ended) return
    const sender = peer.sender('video')
    if (sender) {
      await sender.replaceTrack(track ?? null)
      const content = peer.content('video')
      if (content) this.settled(this.request('session-info', info(track ? 'unmute' : 'mute', content)))
    } else if (track) {
      peer.pc.addTrack(track)
      if (this.accepted) await this.addContent()
    }
    await voiceFirst(peer.pc, screen ? SCREEN_BITS : PICTURE_BITS)
  }

  async mute(on: boolean): Promise<void> {
    this.show({ muted: on })
    if (this.microphone) this.microphone.enabled = !on && !this.view.held
    await this.told(on ? 'mute' : 'unmute')
  }

  async hold(on: boolean): Promise<void> {
    if (this.view.held === on || this.ended) return
    this.show({ held: on })
    if (this.microphone) this.microphone.enabled = !on && !this.view.muted
    if (this.pictureTrack) this.pictureTrack.enabled = !on
    this.hears()
    if (this.accepted) await this.request('session-info', info(on ? 'hold' : 'unhold'))
  }

  private async told(name: 'mute' | 'unmute'): Promise<void> {
    const content = this.peer?.content('audio')
    if (content && this.accepted) await this.request('session-info', info(name, content))
  }

  async hangUp(reason: Reason = 'success'): Promise<void> {
    if (this.ended) return
    const said: Reason = this.view.phase === 'calling' || this.view.phase === 'ringing' ? 'cancel' : reason
    const { initiated } = this
    this.end(said)
    if (initiated) await this.request('session-terminate', reasonElement(said)).catch(() => undefined)
    await this.deps.act({ do: 'end', id: this.id, reason: said }).catch(() => undefined)
  }

  // -- what the signalling says ----------------------------------------------------------------------------------------

  /** The device that has called, and is answered here. */
  calledBy(peer: string): void {
    this.known = peer
  }

  rings(): void {
    if (this.view.phase === 'calling') this.show({ phase: 'ringing' })
  }

  event(event: CallEvent): void {
    if (this.ended) {
      if (event.type === 'jingle') this.answer(event.iq, ['item-not-found', 'unknown-session'])
      return
    }
    if (event.type === 'ended') this.end(event.reason)
    else if (event.type === 'hold') void this.hold(true).catch(() => undefined)
    else if (event.type === 'proceed') {
      this.device = event.device
      this.known = event.peer
      this.show({ phase: 'connecting' })
      this.connectInTime()
      this.queue(() => this.initiate()).catch((error: unknown) => this.failed(error))
    } else if (event.type === 'jingle') {
      if (this.waiting >= MOST_WAITING) {
        this.answer(event.iq, ['resource-constraint'])
        return
      }
      this.queue(() => this.requested(event.iq, event.xml)).catch((error: unknown) => this.failed(error))
    }
  }

  /** The network of this device has changed. */
  networkChanged(): void {
    if (!this.accepted || this.ended) return
    this.queue(() => this.renew()).catch((error: unknown) => this.missed(error))
  }

  /** While it rings on the other side: makes what is sent when somebody accepts. */
  prepare(): void {
    if (this.ended) return
    this.offering ??= this.queue(() => this.offer())
    this.offering.catch((error: unknown) => this.failed(error))
  }

  private async offer(): Promise<Description | undefined> {
    const peer = await this.connect()
    if (!peer) return undefined
    if (!this.microphone) peer.pc.addTransceiver('audio', { direction: 'sendrecv' })
    return peer.offer()
  }

  private async initiate(): Promise<void> {
    const offer = await (this.offering ?? this.offer())
    if (!offer || this.ended) return
    this.initiated = true
    await this.describe('session-initiate', offer, { initiator: this.deps.me })
  }

  private async requested(iq: string, xml: string): Promise<void> {
    const element = parse(xml)
    let answered = false
    const ok = (): void => {
      answered = true
      this.answer(iq)
    }
    try {
      const refused = await this.handle(attribute(element, 'action'), element, ok)
      if (refused) this.answer(iq, refused)
    } catch (error) {
      if (!answered) this.answer(iq, ['bad-request'])
      throw error
    }
  }

  /** Does what the other device asks; `ok` says at once that it was understood. Returns an error to answer with. */
  private async handle(action: string, element: Xml, ok: () => void): Promise<[string, string?] | undefined> {
    if (action === 'session-terminate') {
      ok()
      this.end(reasonIn(element) ?? 'success')
      void this.deps
        .act({ do: 'end', id: this.id, reason: reasonIn(element) ?? 'success' })
        .catch(() => undefined)
      return undefined
    }
    if (action === 'session-initiate') {
      if (this.side !== 'responder' || this.initiated) return ['unexpected-request', 'out-of-order']
      this.initiated = true
      ok()
      await this.accept(element)
      return undefined
    }
    if (!this.peer || !this.initiated) return ['unexpected-request', 'out-of-order']
    if (action === 'session-accept') {
      if (this.side !== 'initiator' || this.accepted) return ['unexpected-request', 'out-of-order']
      ok()
      await this.peer.answered(await this.opened(element))
      this.accepted = true
      this.begun()
    } else if (action === 'transport-info') return this.transports(element, ok)
    else if (action === 'session-info') {
      ok()
      this.informed(element)
    } else if (!this.accepted) return ['unexpected-request', 'out-of-order']
    else if (action === 'content-add') return this.contentAdded(element, ok)
    else if (action === 'content-accept') {
      if (this.peer.pc.signalingState !== 'have-local-offer') return ['unexpected-request', 'out-of-order']
      ok()
      await this.peer.answered(await this.opened(element))
      this.peer.release()
    } else if (action === 'content-reject') {
      ok()
      await this.peer.refused()
    } else if (action === 'content-modify' || action === 'content-remove') {
      ok()
      for (const { name, senders } of namesIn(element)) {
        const sends = action === 'content-modify' && (senders === 'both' || senders !== this.side)
        this.theirs(name, sends && senders !== 'none')
      }
    } else return ['feature-not-implemented', 'unsupported-info']
    return undefined
  }

  private async accept(element: Xml): Promise<void> {
    const peer = await this.connect()
    if (!peer) return
    const offered = await this.opened(element)
    const answer = await peer.answer(offered)
    if (!answer.contents.some(({ media }) => media === 'audio')) throw new Unacceptable('no audio')
    this.accepted = true
    await this.describe('session-accept', answer, { responder: this.deps.me })
    this.begun()
  }

  private async transports(element: Xml, ok: () => void): Promise<[string, string?] | undefined> {
    const { peer } = this
    if (!peer) return ['unexpected-request', 'out-of-order']
    const all = new Map(transportsIn(element).map(({ name, transport }) => [name, transport]))
    if (peer.isRestart(all)) {
      // if both restart at once, each takes the other's transports as the answer; nothing else may be open
      if (peer.pc.signalingState === 'have-local-offer' && !this.restarting) return ['conflict', 'tie-break']
      ok()
      const mine = await peer.restarted(all)
      if (mine) this.settled(this.tellTransports(mine))
      this.restarting = false
      peer.release()
    } else ok()
    for (const [name, { ufrag, candidates = [] }] of all) await peer.add(name, ufrag, candidates)
    return undefined
  }

  private async contentAdded(element: Xml, ok: () => void): Promise<[string, string?] | undefined> {
    const { peer } = this
    if (!peer) return ['unexpected-request', 'out-of-order']
    if (peer.pc.signalingState === 'have-local-offer') {
      if (this.side === 'initiator') return ['conflict', 'tie-break']
      await peer.rollBack()
    }
    const added = await this.opened(element)
    if (added.contents.some(({ name }) => peer.their(name))) return ['bad-request']
    if (added.contents.some(({ media }) => media !== 'video') || peer.content('video')) {
      ok()
      const names = added.contents.map((content) => nameElement(content))
      this.settled(this.request('content-reject', ...names, reasonElement('unsupported-applications')))
      return undefined
    }
    ok()
    const answer = await peer.answer(added)
    this.settled(this.describe('content-accept', answer))
    return undefined
  }

  private informed(element: Xml): void {
    const said = infoIn(element)
    if (!said) return
    const { name, content } = said
    if (name === 'hold' || name === 'unhold') {
      this.show({ theyHeld: name === 'hold' })
      return
    }
    if (name === 'ringing') this.rings()
    if (name !== 'mute' && name !== 'unmute') return
    if (content) this.theirs(content, name === 'unmute')
    else for (const one of this.peer?.mine.contents ?? []) this.theirs(one.name, name === 'unmute')
  }

  /** The other side sends something in a content, or not any more. */
  private theirs(name: string, sends: boolean): void {
    if (sends) this.mutedContents.delete(name)
    else if (this.peer?.their(name)) this.mutedContents.add(name)
    this.hears()
  }

  // -- the session -----------------------------------------------------------------------------------------------------

  private restarting = false
  private offering: Promise<Description | undefined> | undefined

  private async connect(): Promise<Peer | undefined> {
    const configuration = await this.deps.configuration(this.view.with)
    if (this.ended) return undefined
    const peer = new Peer(this.side, configuration, this.deps.local, {
      candidate: (content, transport) => {
        this.request('transport-info', transportElement(content, transport)).catch((error: unknown) =>
          this.missed(error)
        )
      },
      state: (state) => this.connection(state),
      tracks: () => this.hears()
    })
    this.peer = peer
    if (this.microphone) peer.pc.addTrack(this.microphone)
    if (this.pictureTrack) peer.pc.addTrack(this.pictureTrack)
    return peer
  }

  private async addContent(): Promise<void> {
    const { peer } = this
    if (!peer || peer.pc.signalingState !== 'stable') return
    const added = await peer.offer()
    this.settled(this.describe('content-add', { ...added, bundle: peer.mine.bundle }), async (error) => {
      if (peer.pc.signalingState !== 'have-local-offer') return
      await peer.rollBack()
      // with a conflict, they have added theirs at the same time, in which this side's picture goes
      if (error !== 'conflict') this.send({ picture: null }).catch((problem: unknown) => this.missed(problem))
    })
  }

  /** Sends a description, with the certificate encrypted for the other device. Returns the condition of an error. */
  private async describe(
    action: Action,
    description: Description,
    who: { initiator?: string; responder?: string } = {}
  ): Promise<string> {
    const sealed = new Map<string, OutgoingXml>()
    const seal = async ({ name, transport: { fingerprint: print } }: Content): Promise<void> => {
      const xml = print && (await this.deps.act({ do: 'seal', id: this.id, text: print.value }))
      if (print && typeof xml === 'string') sealed.set(name, sealedFingerprint(print, { xml }))
    }
    if (this.device || this.sealed) await Promise.all(description.contents.map(seal))
    const element = jingle(action, this.id, who, ...describe(description, sealed))
    const sent = action.startsWith('session-') ? this.ask(element.xml) : this.deliver(element.xml)
    // candidates follow in the same stream, and need not wait for the answer
    this.peer?.release()
    const error = await sent
    if (error && action.startsWith('session-'))
      throw new Ended(error === 'item-not-found' ? 'gone' : 'general-error')
    return error
  }

  /** A description with the certificates decrypted. Throws Unacceptable for one that is not vouched for as before. */
  private async opened(element: Xml): Promise<Description> {
    const contents = await Promise.all(contentsIn(element).map((content) => this.vouched(content)))
    return { contents, bundle: bundleIn(element) }
  }

  private async vouched(content: ReceivedContent): Promise<Content> {
    const { sealed, ...rest } = content
    if (!sealed) {
      if (this.sealed) throw new Ended('security-error')
      this.trusts('none')
      return rest
    }
    const xml = write(sealed.encrypted)
    const unsealed = (await this.deps.act({ do: 'unseal', id: this.id, xml })) as Unsealed | undefined
    if (!unsealed || (this.device && unsealed.device !== this.device)) throw new Ended('security-error')
    this.device = unsealed.device
    this.sealed = true
    this.trusts(unsealed.trust)
    const print = fingerprint(sealed.hash, unsealed.text, sealed.setup || 'actpass')
    return { ...rest, transport: { ...rest.transport, fingerprint: print } }
  }

  /** The weakest of all counts. */
  private trusts(trust: Unsealed['trust']): void {
    const order = ['none', 'trusted', 'verified'] as const
    const before = this.view.trust
    if (before === undefined || order.indexOf(trust) < order.indexOf(before)) this.show({ trust })
  }

  /** Restarts the transports, also if the answer to an earlier attempt was lost with the connection. */
  private async renew(): Promise<void> {
    if (this.restarting && this.peer?.pc.signalingState === 'have-local-offer') await this.peer.rollBack()
    await this.restart()
  }

  private async restart(): Promise<void> {
    const { peer } = this
    if (!peer || this.ended || peer.pc.signalingState !== 'stable') return
    const configuration = await this.deps.configuration(this.view.with)
    this.restarting = true
    const mine = await peer.restart(configuration)
    this.settled(this.tellTransports(mine), async () => {
      if (peer.mine !== mine) return
      await peer.rollBack()
      this.restarting = false
    })
  }

  private async tellTransports({ contents }: Description): Promise<string> {
    const elements = contents.map((content) =>
      transportElement(content, { ...content.transport, candidates: [] })
    )
    return this.request('transport-info', ...elements)
  }

  private begun(): void {
    if (this.view.muted) void this.told('mute').catch(() => undefined)
    // the user has turned on the camera before there was a session
    if (this.pictureTrack && !this.peer?.content('video'))
      this.queue(() => this.addContent()).catch((error: unknown) => this.missed(error))
    this.hears()
  }

  private connection(state: RTCPeerConnectionState): void {
    if (this.ended) return
    if (state === 'connected') {
      this.lostAt = undefined
      this.show({ phase: 'connected', since: this.view.since ?? this.deps.now() })
      this.measure()
      if (this.peer) void voiceFirst(this.peer.pc)
    } else if ((state === 'disconnected' || state === 'failed') && this.view.since !== undefined) {
      this.lostAt ??= performance.now()
      this.show({ phase: 'reconnecting' })
      this.after(state === 'failed' ? 0 : RESTART_MS[this.side], () => this.repair())
    } else if (state === 'failed') this.failed(new Ended('connectivity-error'))
  }

  /** Tries until the call is back, or was lost for too long. */
  private repair(): void {
    if (this.ended || this.lostAt === undefined) return
    if (performance.now() - this.lostAt > LOST_MS) {
      this.failed(new Ended('connectivity-error'))
      return
    }
    this.queue(async () => {
      if (this.lostAt !== undefined) await this.renew()
    }).catch((error: unknown) => this.missed(error))
    this.after(AGAIN_MS, () => this.repair())
  }

  private connectInTime(): void {
    this.after(CONNECT_MS, () => {
      if (this.view.since === undefined) this.failed(new Ended('connectivity-error'))
    })
  }

  private measure(): void {
    if (this.measuring !== undefined) return
    this.meter = new QualityMeter()
    this.measuring = setInterval(() => void this.measured().catch(() => undefined), MEASURE_MS)
  }

  private async measured(): Promise<void> {
    const { peer, meter } = this
    if (!peer || !meter || this.view.phase !== 'connected') return
    const { quality, narrow } = await meter.measure(peer.pc)
    if (quality !== this.view.quality) this.show({ quality })
    const sender = peer.sender('video')
    if (narrow !== undefined && sender && this.pictureTrack) {
      await sendPicture(sender, !narrow)
      if (narrow !== this.view.pictureWaits) this.show({ pictureWaits: narrow })
    }
  }

  /** What is heard and seen of the other side. */
  private hears(): void {
    const tracks = this.peer?.received() ?? []
    const content = (media: string): Content | undefined =>
      this.peer?.mine.contents.find((one) => one.media === media)
    const [audio, video] = [content('audio'), content('video')]
    const theyMuted = audio !== undefined && this.mutedContents.has(audio.name)
    const picture = tracks.find(({ kind, muted }) => kind === 'video' && !muted)
    const theirPicture = picture !== undefined && video !== undefined && !this.mutedContents.has(video.name)
    for (const track of tracks) track.enabled = !this.view.held
    const before = this.view.remote.getTracks()
    const same = before.length === tracks.length && tracks.every((one) => before.includes(one))
    this.show({ theyMuted, theirPicture, ...(!same && { remote: new MediaStream(tracks) }) })
  }

  private failed(error: unknown): void {
    if (this.ended) return
    const reason: Reason =
      error instanceof Ended
        ? error.reason
        : error instanceof Unacceptable
          ? 'failed-application'
          : 'general-error'
    // what the other side has sent does not belong into a log
    console.warn('the call failed', error instanceof Error ? error.name : 'unknown', reason)
    void this.hangUp(reason)
  }

  /** Something was not sent. Without a connection, the transports are restarted later if they have to be. */
  private missed(error: unknown): void {
    if (!(error instanceof NotConnected)) console.debug('not sent in a call', (error as Error).name)
  }

  private end(reason: Ending): void {
    if (this.ended) return
    for (const timer of this.timers) clearTimeout(timer)
    clearInterval(this.measuring)
    this.microphone?.stop()
    this.pictureTrack?.stop()
    this.peer?.close()
    this.show({ phase: 'ended', ending: reason })
  }

  private request(action: Action, ...content: OutgoingXml[]): Promise<string> {
    return this.deliver(jingle(action, this.id, {}, ...content).xml)
  }

  /** Sends a request of a running session, again if the server goes away meanwhile: the call does not end by that. */
  private async deliver(xml: string): Promise<string> {
    for (const until = performance.now() + LOST_MS; ;) {
      try {
        return await this.ask(xml)
      } catch (error) {
        if (this.ended || performance.now() >= until) throw error
        this.missed(error)
        await new Promise((again) => setTimeout(again, DELIVER_AGAIN_MS))
      }
    }
  }

  /** Sends a request. Returns the condition of an error, or an empty text. */
  private async ask(xml: string): Promise<string> {
    return (await this.deps.act({ do: 'send', id: this.id, xml })) as string
  }

  private answer(iq: string, error?: [string, string?]): void {
    this.deps
      .act({ do: 'answer', id: this.id, iq, ...(error && { error }) })
      .catch((problem: unknown) => this.missed(problem))
  }

  /**
   * Something is asked of the other device. If it refuses, `refused` follows in turn. The queue does not wait for the
   * answer: the other side may wait for one of this side.
   */
  private settled(asked: Promise<string>, refused?: (error: string) => Promise<void>): void {
    asked
      .then((error) => (error && refused ? this.queue(() => refused(error)) : undefined))
      .catch((error: unknown) => this.missed(error))
  }

  private queue<T>(work: () => Promise<T>): Promise<T> {
    this.waiting += 1
    const done = this.work.then(work).finally(() => (this.waiting -= 1))
    this.work = done.catch(() => undefined)
    return done
  }

  private after(ms: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      run()
    }, ms)
    this.timers.add(timer)
  }

  private show(change: Partial<CallView>): void {
    this.view = { ...this.view, ...change }
    this.deps.changed(this)
  }
}

/** The call can't go on. */
class Ended extends Error {
  override readonly name = 'Ended'

  constructor(readonly reason: Reason) {
    super(reason)
  }
}
