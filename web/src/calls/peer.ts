/**
 * The connection of media with the other device: an RTCPeerConnection that speaks in `Description` instead of SDP. What
 * the other side has described is kept by content, since Jingle changes contents and transports one by one, where SDP
 * describes everything each time.
 */
import { candidateFrom, candidateLine, mayTry } from './candidates'
import {
  type Candidate,
  type Content,
  type Description,
  type Fingerprint,
  sameCertificate,
  type Side,
  type Transport,
  Unacceptable
} from './description'
import { fromSdp, toSdp, withSetup } from './sdp'
import { preferCodecs, voiceFirst } from './sending'

/** How many candidates of the other side are tried in a call, and how many wait for its description. */
const MOST_TRIED = 300
const MOST_EARLY = 64

export interface PeerEvents {
  candidate(content: Content, transport: Pick<Transport, 'ufrag' | 'pwd'> & { candidates: Candidate[] }): void
  state(state: RTCPeerConnectionState): void
  /** There is something to hear or to see, or not any more. */
  tracks(): void
}

export class Peer {
  readonly pc: RTCPeerConnection
  /** What this side and the other one have described. */
  mine: Description = { contents: [], bundle: [] }
  private theirs: Description = { contents: [], bundle: [] }
  private readonly creators = new Map<string, Side>()
  private readonly early: { name: string; ufrag: string | undefined; candidates: Candidate[] }[] = []
  /** Candidates that the browser found before this side's description was sent. */
  private waiting: (() => void)[] | undefined = []
  private tried = 0
  /** The certificate that the other side has proved to have, or has to prove. */
  private certificate: Fingerprint | undefined
  private readonly other: Side

  /** `local`: the page is from this machine, so candidates on it are tried. */
  constructor(
    readonly side: Side,
    configuration: RTCConfiguration,
    private readonly local: boolean,
    private readonly events: PeerEvents
  ) {
    this.other = side === 'initiator' ? 'responder' : 'initiator'
    this.pc = new RTCPeerConnection(configuration)
    this.pc.addEventListener('icecandidate', ({ candidate }) => {
      if (candidate?.candidate) this.found(candidate)
    })
    this.pc.addEventListener('connectionstatechange', () => {
      events.state(this.pc.connectionState)
    })
    this.pc.addEventListener('track', ({ track }) => {
      for (const name of ['mute', 'unmute', 'ended']) track.addEventListener(name, () => events.tracks())
      events.tracks()
    })
  }

  /** Tracks of the other side, of contents that it sends in. */
  received(): MediaStreamTrack[] {
    return this.pc
      .getTransceivers()
      .filter(({ mid }) => mid !== null && this.theirs.contents.some(({ name }) => name === mid))
      .map(({ receiver }) => receiver.track)
  }

  sender(kind: 'audio' | 'video'): RTCRtpSender | undefined {
    return this.pc.getTransceivers().find(({ mid, receiver }) => mid !== null && receiver.track.kind === kind)
      ?.sender
  }

  content(media: 'audio' | 'video'): Content | undefined {
    return this.mine.contents.find((one) => one.media === media)
  }

  /** The content of this name, which both sides have, as the other side has described it. */
  their(name: string): Content | undefined {
    return this.theirs.contents.find((one) => one.name === name)
  }

  /** A description of everything that this side wants, or of what is new in it (`content-add`). */
  async offer(): Promise<Description> {
    preferCodecs(this.pc)
    await this.pc.setLocalDescription()
    const before = new Set(this.mine.contents.map(({ name }) => name))
    this.mine = this.described()
    return { ...this.mine, contents: this.mine.contents.filter(({ name }) => !before.has(name)) }
  }

  /** The other side answers what was offered: the first time, or what is new. */
  async answered(answer: Description): Promise<void> {
    this.check(answer)
    const contents = answer.contents.map((content) => as(content, 'answer', this.role()))
    this.theirs = merged(this.theirs, { ...answer, contents })
    await this.remote('answer')
  }

  /** The other side offers everything, or something new. Returns this side's answer to it. */
  async answer(offered: Description): Promise<Description> {
    this.check(offered)
    const names = new Set(offered.contents.map(({ name }) => name))
    for (const { name, creator } of offered.contents) this.creators.set(name, creator)
    const before = this.theirs
    this.theirs = merged(this.theirs, offered)
    try {
      await this.remote('offer')
    } catch (error) {
      this.theirs = before
      throw error
    }
    // what the user may want to send later does not need another negotiation
    for (const transceiver of this.pc.getTransceivers())
      if (transceiver.mid !== null && names.has(transceiver.mid)) transceiver.direction = 'sendrecv'
    preferCodecs(this.pc)
    await this.pc.setLocalDescription()
    this.mine = this.described()
    return {
      bundle: this.mine.bundle,
      contents: this.mine.contents.filter(({ name }) => names.has(name))
    }
  }

  /** This side's offer is given up, since the other side has made one at the same time. */
  async rollBack(): Promise<void> {
    if (this.pc.signalingState !== 'have-local-offer') return
    await this.pc.setLocalDescription({ type: 'rollback' })
    this.mine = this.pc.localDescription ? this.described() : { contents: [], bundle: [] }
  }

  /** The other side does not want what was offered. */
  async refused(): Promise<void> {
    await this.rollBack()
  }

  /** The description of this side was sent, so candidates may follow. */
  release(): void {
    const waiting = this.waiting ?? []
    this.waiting = undefined
    for (const run of waiting) run()
  }

  /** New transports for all contents. Their candidates follow. */
  async restart(configuration: RTCConfiguration): Promise<Description> {
    try {
      this.pc.setConfiguration(configuration)
    } catch (error) {
      console.debug('the relays stay as they are', error)
    }
    this.pc.restartIce()
    await this.pc.setLocalDescription()
    this.mine = this.described()
    return this.mine
  }

  /** The other side has new transports. Returns those of this side if it has to answer with new ones. */
  async restarted(transports: ReadonlyMap<string, Partial<Transport>>): Promise<Description | undefined> {
    const answering = this.pc.signalingState === 'have-local-offer'
    this.theirs = {
      ...this.theirs,
      contents: this.theirs.contents.map((content) => {
        const { ufrag, pwd } = transports.get(content.name) ?? {}
        if (ufrag === undefined || pwd === undefined) return content
        return { ...content, transport: { ...content.transport, ufrag, pwd, candidates: [] } }
      })
    }
    if (answering) {
      await this.remote('answer')
      return undefined
    }
    await this.remote('offer')
    await this.pc.setLocalDescription()
    this.mine = this.described()
    return this.mine
  }

  /** Whether these are new transports, and not more candidates of the known ones. */
  isRestart(transports: ReadonlyMap<string, Partial<Transport>>): boolean {
    return [...transports].some(([name, { ufrag, pwd }]) => {
      const known = this.their(name)?.transport
      return known !== undefined && ufrag !== undefined && pwd !== undefined && ufrag !== known.ufrag
    })
  }

  /** Candidates of the other side. Those of transports that are not known yet wait for them. */
  async add(name: string, ufrag: string | undefined, candidates: Candidate[]): Promise<void> {
    const content = this.their(name)
    if (!content || !this.pc.remoteDescription) {
      if (this.early.length < MOST_EARLY) this.early.push({ name, ufrag, candidates })
      return
    }
    if (ufrag !== undefined && ufrag !== content.transport.ufrag) return
    for (const one of candidates) {
      if (!mayTry(one, this.local) || ++this.tried > MOST_TRIED) continue
      const init = { candidate: candidateLine(one), sdpMid: name, usernameFragment: content.transport.ufrag }
      await this.pc.addIceCandidate(init).catch((error: unknown) => {
        console.debug('a candidate was not taken', (error as Error).name)
      })
    }
  }

  close(): void {
    this.pc.close()
  }

  /** Everything is over one certificate, which can't change during a call. */
  private check({ contents }: Description): void {
    if (!contents.length) throw new Unacceptable('nothing')
    for (const { transport } of contents) {
      this.certificate ??= transport.fingerprint
      if (!sameCertificate(this.certificate, transport.fingerprint)) throw new Unacceptable('certificate')
    }
  }

  private described(): Description {
    return fromSdp(this.pc.localDescription?.sdp ?? '', { of: this.side, creators: this.creators })
  }

  private async remote(type: 'offer' | 'answer'): Promise<void> {
    const contents = this.theirs.contents.map((content) => as(content, type, this.role()))
    const known = this.pc.getTransceivers().flatMap(({ mid }) => (mid === null ? [] : [mid]))
    const order = [...new Set([...this.order(), ...known, ...contents.map(({ name }) => name)])]
    const inline = contents.map((content) => ({
      ...content,
      transport: { ...content.transport, candidates: [] }
    }))
    await this.pc.setRemoteDescription({
      type,
      sdp: toSdp({ ...this.theirs, contents: inline }, this.other, order)
    })
    await voiceFirst(this.pc)
    for (const { name, transport } of this.theirs.contents)
      await this.add(name, transport.ufrag, transport.candidates.splice(0))
    for (const one of this.early.splice(0)) await this.add(one.name, one.ufrag, one.candidates)
  }

  /** The names of all sections, in the order of the first description. */
  private order(): string[] {
    const sdp = this.pc.localDescription?.sdp ?? this.pc.remoteDescription?.sdp ?? ''
    return [...sdp.matchAll(/^a=mid:(\S+)/gm)].map(([, mid]) => mid ?? '')
  }

  /** The role that the other side has in DTLS, once it is known. */
  private role(): 'active' | 'passive' | undefined {
    if (!this.pc.currentRemoteDescription) return undefined
    const mine = /^a=setup:(active|passive)/m.exec(this.pc.currentLocalDescription?.sdp ?? '')?.[1]
    const theirs = /^a=setup:(active|passive)/m.exec(this.pc.currentRemoteDescription.sdp)?.[1]
    if (theirs === 'active' || theirs === 'passive') return theirs
    return mine === 'active' ? 'passive' : 'active'
  }

  private found(candidate: RTCIceCandidate): void {
    const parsed = candidateFrom(candidate.candidate)
    const { sdpMid } = candidate
    if (!parsed || sdpMid === null) return
    const tell = (): void => {
      const content = this.mine.contents.find(({ name }) => name === sdpMid)
      if (!content) return
      const { pwd, ufrag } = content.transport
      if (candidate.usernameFragment !== null && candidate.usernameFragment !== ufrag) return
      this.events.candidate(content, { ufrag, pwd, candidates: [parsed] })
    }
    if (this.waiting) this.waiting.push(tell)
    else tell()
  }
}

function as(content: Content, type: 'offer' | 'answer', role: 'active' | 'passive' | undefined): Content {
  const { fingerprint } = content.transport
  const setup =
    type === 'offer' ? 'actpass' : (role ?? (fingerprint?.setup === 'passive' ? 'passive' : 'active'))
  const print = withSetup(fingerprint, setup)
  return { ...content, transport: { ...content.transport, ...(print && { fingerprint: print }) } }
}

/** Known contents stay, and those that are described again are replaced. */
function merged(before: Description, { contents, bundle }: Description): Description {
  const names = new Set(contents.map(({ name }) => name))
  return {
    contents: [...before.contents.filter(({ name }) => !names.has(name)), ...contents],
    bundle: [...new Set([...before.bundle, ...bundle])]
  }
}
