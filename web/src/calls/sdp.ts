/** Between the browser's SDP (RFC 8866, RFC 8829) and `Description`. */
import { parse, write, type MediaDescription } from 'sdp-transform'
import { candidateLine } from './candidates'
import {
  type Content,
  type Description,
  type Fingerprint,
  fingerprint,
  type Payload,
  type Senders,
  type Side,
  Unacceptable
} from './description'

/** What a description is from: who offers, and in which direction. */
export interface Perspective {
  /** The side whose description it is. */
  of: Side
  /** Who has added each content, by name; the others: `of`. */
  creators: ReadonlyMap<string, Side>
}

type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'

/** Describes what a browser has made. Without candidates, which follow one by one. */
export function fromSdp(sdp: string, { of, creators }: Perspective): Description {
  const session = parse(sdp)
  const contents: Content[] = []
  for (const media of session.media) {
    if ((media.type !== 'audio' && media.type !== 'video') || (media.port === 0 && !media.bundleOnly))
      continue
    const print = media.fingerprint ?? session.fingerprint
    const name = media.mid === undefined ? '' : String(media.mid)
    const { ufrag, pwd } = {
      ufrag: String(media.iceUfrag ?? session.iceUfrag ?? ''),
      pwd: String(media.icePwd ?? session.icePwd ?? '')
    }
    if (!print || !name || !ufrag || !pwd) throw new Unacceptable('section')
    contents.push({
      name,
      creator: creators.get(name) ?? of,
      senders: sendersOf(media.direction, of),
      media: media.type,
      ...payloadsOf(media),
      extensions: (media.ext ?? []).map(({ value, uri }) => ({ id: value, uri })),
      mixed: media.extmapAllowMixed !== undefined || session.extmapAllowMixed !== undefined,
      sources: sourcesOf(media),
      groups: (media.ssrcGroups ?? []).map((group) => ({
        semantics: group.semantics,
        sources: group.ssrcs.split(' ').map(Number)
      })),
      transport: {
        ...{ ufrag, pwd, candidates: [] },
        fingerprint: fingerprint(print.type, print.hash, String(media.setup ?? session.setup ?? 'actpass'))
      }
    })
  }
  const bundle = session.groups?.find(({ type }) => type === 'BUNDLE')
  return { contents, bundle: bundle ? String(bundle.mids).split(' ').filter(Boolean) : [] }
}

/**
 * The SDP of the other side. `order`: the names of all contents, in the order that this browser knows; those without a
 * content are rejected. `setup` and the candidates are those of the contents.
 */
export function toSdp({ contents, bundle }: Description, of: Side, order: readonly string[]): string {
  const byName = new Map(contents.map((content) => [content.name, content]))
  const shared = bundle.filter((name) => byName.has(name))
  return write({
    version: 0,
    origin: {
      ...{ username: '-', sessionId: '1', sessionVersion: 1, netType: 'IN', ipVer: 4, address: '127.0.0.1' }
    },
    name: '-',
    timing: { start: 0, stop: 0 },
    ...(shared.length > 0 && { groups: [{ type: 'BUNDLE', mids: shared.join(' ') }] }),
    media: order.map((name, at) => {
      const content = byName.get(name)
      return content ? section(content, of) : rejected(name, at)
    })
  })
}

function section(content: Content, of: Side): MediaDescription {
  const { ufrag, pwd, fingerprint: print, candidates } = content.transport
  if (!print) throw new Unacceptable('no fingerprint')
  const feedback = [
    ...content.feedback.map(([type, subtype]) => ({ payload: '*', type, ...(subtype && { subtype }) })),
    ...content.payloads.flatMap(({ id, feedback: all }) =>
      all.map(([type, subtype]) => ({ payload: String(id), type, ...(subtype && { subtype }) }))
    )
  ]
  return {
    ...{ type: content.media, port: 9, protocol: 'UDP/TLS/RTP/SAVPF' },
    payloads: content.payloads.map(({ id }) => id).join(' '),
    connection: { version: 4, ip: '0.0.0.0' },
    mid: content.name,
    direction: directionOf(content.senders, of),
    ...{ iceUfrag: ufrag, icePwd: pwd, iceOptions: 'trickle' },
    fingerprint: { type: print.hash, hash: print.value },
    setup: print.setup,
    rtcpMux: 'rtcp-mux',
    rtp: content.payloads.map(({ id, name, clockrate, channels }) => ({
      payload: id,
      codec: name,
      rate: clockrate,
      ...(channels > 1 && { encoding: channels })
    })),
    fmtp: content.payloads
      .filter(({ parameters }) => parameters.length > 0)
      .map(({ id, parameters }) => ({
        payload: id,
        config: parameters.map(([name, value]) => `${name}=${value}`).join(';')
      })),
    rtcpFb: feedback as unknown as NonNullable<MediaDescription['rtcpFb']>,
    ext: content.extensions.map(({ id, uri }) => ({ value: id, uri })),
    ...(content.mixed && { extmapAllowMixed: 'extmap-allow-mixed' }),
    ssrcGroups: content.groups.map(({ semantics, sources }) => ({ semantics, ssrcs: sources.join(' ') })),
    ssrcs: content.sources.map(({ ssrc, parameters }) => ({
      id: ssrc,
      attribute: 'cname',
      value: parameters.find(([name]) => name === 'cname')?.[1] ?? 'peer'
    })),
    // candidates are given to the browser one by one, after they were checked
    ...(candidates.length > 0 && {
      candidates: candidates.map((one) => {
        const parsed = parse(`v=0\r\nm=audio 9 X 0\r\na=${candidateLine(one)}\r\n`).media[0]?.candidates?.[0]
        if (!parsed) throw new Unacceptable('candidate')
        return parsed
      })
    })
  } as MediaDescription
}

function rejected(name: string, at: number): MediaDescription {
  return {
    ...{ type: at === 0 ? 'audio' : 'video', port: 0, protocol: 'UDP/TLS/RTP/SAVPF', payloads: '0' },
    ...{ connection: { version: 4, ip: '0.0.0.0' }, mid: name, direction: 'inactive', rtp: [], fmtp: [] }
  } as MediaDescription
}

function payloadsOf(media: MediaDescription): Pick<Content, 'payloads' | 'feedback'> {
  const feedback = (media.rtcpFb ?? []) as unknown as {
    payload: string | number
    type: string
    subtype?: string
  }[]
  const of = (id: string): [string, string][] =>
    feedback.filter(({ payload }) => String(payload) === id).map((one) => [one.type, one.subtype ?? ''])
  const payloads: Payload[] = []
  for (const { payload, codec, rate, encoding } of media.rtp) {
    const parameters = (media.fmtp ?? [])
      .filter((one) => one.payload === payload)
      .flatMap(({ config }) => config.split(';'))
      .map((part): [string, string] => {
        const [name = '', ...value] = part.trim().split('=')
        return [name, value.join('=')]
      })
    // parameters without a name have no form in Jingle
    if (parameters.some(([name, value]) => name.includes('/') || value === '')) continue
    const wanted = codec.toLowerCase() === 'opus' ? withDtx(parameters) : parameters
    payloads.push({
      ...{ id: payload, name: codec, clockrate: rate ?? 8000 },
      channels: encoding === undefined ? 1 : Number(encoding),
      ...{ parameters: wanted, feedback: of(String(payload)) }
    })
  }
  return { payloads, feedback: of('*') }
}

/** What Opus is asked to do: to say nothing in silence, and to carry what repairs the packet before (RFC 7587 §6.1). */
function withDtx(parameters: [string, string][]): [string, string][] {
  const wanted = new Map(parameters)
  wanted.set('useinbandfec', '1')
  wanted.set('usedtx', '1')
  return [...wanted]
}

function sourcesOf(media: MediaDescription): Content['sources'] {
  const sources = new Map<number, [string, string][]>()
  for (const { id, attribute: name, value } of media.ssrcs ?? []) {
    const parameters = sources.get(Number(id)) ?? []
    if (name === 'cname' && value !== undefined)
      parameters.push([name, value.replace(/[^\x21-\x3a\x3c-\x7e]/g, '')])
    sources.set(Number(id), parameters)
  }
  return [...sources].map(([ssrc, parameters]) => ({ ssrc, parameters }))
}

function sendersOf(direction: MediaDescription['direction'], of: Side): Senders {
  const other: Side = of === 'initiator' ? 'responder' : 'initiator'
  if (direction === 'sendonly') return of
  if (direction === 'recvonly') return other
  return direction === 'inactive' ? 'none' : 'both'
}

function directionOf(senders: Senders, of: Side): Direction {
  if (senders === 'both') return 'sendrecv'
  if (senders === 'none') return 'inactive'
  return senders === of ? 'sendonly' : 'recvonly'
}

/** As a part of an answer, a fingerprint has a role; as a part of an offer, it leaves the choice. */
export function withSetup(
  print: Fingerprint | undefined,
  setup: Fingerprint['setup']
): Fingerprint | undefined {
  return print && { ...print, setup }
}
