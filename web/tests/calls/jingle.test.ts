/** Between SDP and Jingle, and what of others is refused. */
import fc from 'fast-check'
import { parse as parseSdp } from 'sdp-transform'
import { expect, test } from 'vitest'
import { type Description, Unacceptable } from '../../src/calls/description'
import { bundleIn, contentsIn, describe, infoIn, jingle, transportsIn } from '../../src/calls/jingle'
import { fromSdp, toSdp } from '../../src/calls/sdp'
import { parse } from '../../src/xmpp/xml'
import { PRINT, sdp } from './sdp'

const MINE = { of: 'initiator' as const, creators: new Map() }

function sent(description: Description): string {
  return jingle('session-initiate', 'sid', { initiator: 'a@b/c' }, ...describe(description)).xml
}

function received(xml: string): Description {
  const element = parse(xml)
  return { contents: contentsIn(element), bundle: bundleIn(element) }
}

test('a browser’s offer is the same after it went through Jingle', () => {
  const offered = fromSdp(sdp(), MINE)
  const again = received(sent(offered))
  expect(again.bundle).toEqual(['0', '1'])
  const there = parseSdp(toSdp(again, 'initiator', ['0', '1']))
  const here = parseSdp(sdp())
  for (const [at, media] of there.media.entries()) {
    const before = here.media[at]
    expect(media.type).toBe(before?.type)
    expect(media.direction).toBe(before?.direction)
    expect(media.iceUfrag).toBe('abCD')
    expect(media.fingerprint).toEqual({ type: 'sha-256', hash: PRINT })
    expect(media.ext).toEqual(before?.ext)
    expect(media.rtcpFb).toEqual(before?.rtcpFb)
    expect(media.ssrcGroups ?? []).toEqual(before?.ssrcGroups ?? [])
  }
  expect(there.media[1]?.rtp.map(({ codec }) => codec)).toEqual(['VP8', 'rtx'])
  expect(there.media[1]?.fmtp).toEqual([{ payload: 97, config: 'apt=96' }])
})

test('Opus is asked to repair losses and to be silent in silence; what Jingle can’t say is left out', () => {
  const [audio] = fromSdp(sdp(), MINE).contents
  expect(audio?.payloads.map(({ name }) => name)).toEqual(['opus', 'PCMU'])
  expect(audio?.payloads[0]?.parameters).toEqual([
    ['minptime', '10'],
    ['useinbandfec', '1'],
    ['usedtx', '1']
  ])
})

test('who sends is told by sides, as it is seen from either', () => {
  const offered = fromSdp(sdp(), MINE)
  expect(offered.contents.map(({ senders }) => senders)).toEqual(['both', 'responder'])
  const again = parseSdp(toSdp(offered, 'initiator', ['0', '1']))
  expect(again.media.map(({ direction }) => direction)).toEqual(['sendrecv', 'recvonly'])
})

test('a content that the other side left out is refused in its place', () => {
  const [audio] = fromSdp(sdp('active'), MINE).contents
  const media = parseSdp(
    toSdp({ contents: audio ? [audio] : [], bundle: ['0', '1'] }, 'responder', ['0', '1'])
  ).media
  expect(media.map(({ port }) => port)).toEqual([9, 0])
})

const CONTENT = (inner: string, transport = ''): string =>
  `<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='s'><content creator='initiator' name='0'>` +
  `<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'>${inner}</description>` +
  `<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='abcd' pwd='abcdefghijklmnopqrstuvwx'>` +
  `<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='actpass'>${PRINT}</fingerprint>` +
  `${transport}</transport></content></jingle>`

test.each([
  ['a line of SDP in a name', "<payload-type id='1' name='x&#13;&#10;a=evil' clockrate='8000'/>"],
  [
    'a line of SDP in a parameter',
    "<payload-type id='1' name='x' clockrate='8000'><parameter name='a' value='1&#10;a=x:1'/></payload-type>"
  ],
  [
    'a parameter in a parameter',
    "<payload-type id='1' name='x' clockrate='8000'><parameter name='a' value='1;b=2'/></payload-type>"
  ],
  ['a payload type that does not exist', "<payload-type id='128' name='x' clockrate='8000'/>"],
  ['a number that is none', "<payload-type id='1e1' name='x' clockrate='8000'/>"],
  ['more payload types than there are', "<payload-type id='1' name='x' clockrate='8000'/>".repeat(200)],
  [
    'a header extension that is a line',
    "<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='1' uri='a&#10;b'/>"
  ],
  ['too many sources', "<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='1'/>".repeat(100)]
])('%s is refused', (_, inner) => {
  expect(() => received(CONTENT(inner))).toThrow(Unacceptable)
})

test.each([
  ['no hash that can be forged', 'sha-1', PRINT.slice(0, 59)],
  ['no certificate of another length', 'sha-256', PRINT.slice(0, 59)],
  ['nothing that is no certificate', 'sha-256', 'x'.repeat(95)],
  ['no unknown hash', 'md5', PRINT]
])('a fingerprint: %s', (_, hash, value) => {
  const xml = CONTENT('').replace(PRINT, value).replace("hash='sha-256'", `hash='${hash}'`)
  expect(() => received(xml)).toThrow(Unacceptable)
})

test('two contents with the same name are refused', () => {
  const xml = CONTENT('')
  const content = xml.slice(xml.indexOf('<content'), xml.indexOf('</jingle>'))
  expect(() => received(xml.replace('</jingle>', `${content}</jingle>`))).toThrow(Unacceptable)
})

test('a candidate of a form that is not known does not spoil the others', () => {
  const good =
    "<candidate component='1' foundation='1' ip='192.0.2.1' port='5000' priority='1' protocol='udp' type='host'/>"
  const [content] = received(CONTENT('', `${good.replace('192.0.2.1', 'evil&#10;a=x')}${good}`)).contents
  expect(content?.transport.candidates).toHaveLength(1)
  expect(() => received(CONTENT('', good.repeat(100)))).toThrow(Unacceptable)
})

test('a transport alone, and what is said in between', () => {
  const xml = jingle('transport-info', 's', {}).xml
  expect(transportsIn(parse(xml))).toEqual([])
  const said = (inner: string) => infoIn(parse(`<jingle xmlns='urn:xmpp:jingle:1'>${inner}</jingle>`))
  expect(said("<mute xmlns='urn:xmpp:jingle:apps:rtp:info:1' name='1' creator='initiator'/>")).toEqual({
    name: 'mute',
    content: '1'
  })
  expect(said("<explode xmlns='urn:xmpp:jingle:apps:rtp:info:1'/>")).toBeUndefined()
  expect(said('')).toBeUndefined()
})

test('whatever somebody sends is refused, or becomes SDP without a line of theirs', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 40 })
  const escaped = (value: string): string =>
    value.replace(/[^\w ]/gu, (one) => {
      const code = one.codePointAt(0) ?? 32
      const valid = code >= 32 && code < 0xd800
      return valid ? `&#${String(code)};` : '&#10;'
    })
  fc.assert(
    fc.property(text, text, text, text, (name, parameter, value, uri) => {
      const inner =
        `<payload-type id='96' name='${escaped(name)}' clockrate='90000'>` +
        `<parameter name='${escaped(parameter)}' value='${escaped(value)}'/></payload-type>` +
        `<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='3' uri='${escaped(uri)}'/>`
      let made: string
      try {
        made = toSdp(received(CONTENT(inner)), 'initiator', ['0'])
      } catch (error) {
        expect(error).toBeInstanceOf(Unacceptable)
        return
      }
      expect(made.trimEnd().split('\r\n').length).toBeLessThan(25)
      for (const line of made.trimEnd().split('\r\n')) expect(line).toMatch(/^[a-z]=[\x20-\x7e]*$/)
    })
  )
})
