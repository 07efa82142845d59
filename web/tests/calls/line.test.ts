/** Which calls ring, on which devices, and how they end (XEP-0353). */
import { beforeEach, expect, test } from 'vitest'
import { CallLine } from '../../src/calls/line'
import { callMessageIn, over, plain, proceed, propose } from '../../src/calls/messages'
import { type CallEvent, type CallState, UNKNOWN_CALL } from '../../src/calls/types'
import { Refused } from '../../src/xmpp/errors'
import { attribute, parse, type Xml } from '../../src/xmpp/xml'

const ADA = 'ada@example.org'
const BEN = 'ben@example.org'

/** A device on a network that delivers at once, or when told. */
class Device {
  readonly line: CallLine
  readonly sent: Xml[] = []
  readonly events: CallEvent[] = []
  readonly logged: string[] = []
  calls: CallState[] = []
  admits: 'rings' | 'rings-unseen' | 'silent' = 'rings'
  timers = new Set<{ run: () => void; ms: number }>()
  requests: string[] = []
  /** For so many requests, the other device is not connected. */
  away = 0

  constructor(
    readonly jid: string,
    private readonly clock: { now: number }
  ) {
    const me = jid.split('/')[0] ?? ''
    const wire = {
      online: true,
      jid,
      send: async ({ xml }: { xml: string }) => void this.sent.push(parse(xml)),
      tell: ({ xml }: { xml: string }) => void this.sent.push(parse(xml)),
      request: async (_type: string, _to: string, { xml }: { xml: string }) => {
        this.requests.push(xml)
        if (this.away > 0) {
          this.away -= 1
          throw new Refused('service-unavailable', 'cancel')
        }
        if (xml.includes('refuse-me')) throw new Refused('item-not-found', 'cancel')
        return parse('<iq/>')
      }
    }
    this.line = new CallLine({
      me,
      wire,
      crypto: { device: async () => 7 } as never,
      now: () => this.clock.now,
      stored: async () => undefined,
      show: (calls) => (this.calls = calls),
      tell: (event) => void this.events.push(event),
      admits: async () => this.admits,
      log: (_to, { type }) => void this.logged.push(type),
      setTimeout: (run, ms) => {
        const timer = { run, ms }
        this.timers.add(timer)
        return () => this.timers.delete(timer)
      }
    })
  }

  async hears(stanza: Xml, from: string, at = this.clock.now): Promise<void> {
    const said = callMessageIn(stanza)
    if (said) await this.line.received(said, from, attribute(stanza, 'to').split('/')[0] ?? '', at)
  }

  /** What it has sent since it was last asked, by name. */
  said(): string[] {
    return this.sent.map((one) => callMessageIn(one)?.type ?? one.name)
  }
}

let clock: { now: number }
let ada: Device
let phone: Device
let laptop: Device

beforeEach(() => {
  clock = { now: 1.7e12 }
  ada = new Device(`${ADA}/web`, clock)
  phone = new Device(`${BEN}/phone`, clock)
  laptop = new Device(`${BEN}/laptop`, clock)
})

/** Delivers everything, as a server with carbons does, until nobody says anything more. */
async function deliver(): Promise<void> {
  const all = [ada, phone, laptop]
  for (let round = 0; round < 20; round++) {
    await new Promise((done) => setTimeout(done))
    const waiting = all.flatMap((device) => device.sent.splice(0).map((stanza) => ({ stanza, from: device })))
    if (!waiting.length) return
    for (const { stanza, from } of waiting) {
      if (stanza.name !== 'message') continue
      const to = attribute(stanza, 'to').split('/')[0] ?? ''
      const own = from.jid.split('/')[0] ?? ''
      for (const device of all) {
        const account = device.jid.split('/')[0]
        if (device !== from && (account === to || account === own)) await device.hears(stanza, from.jid)
      }
    }
  }
}

async function calls(id = 'm', video = false): Promise<void> {
  await ada.line.act({ do: 'propose', id, to: BEN, video, tab: 'a' })
  await deliver()
}

test('all devices ring, the first to answer wins, and the others stop', async () => {
  await calls('m', true)
  for (const device of [phone, laptop]) {
    expect(device.calls).toMatchObject([{ id: 'm', with: ADA, phase: 'ringing', video: true, tab: '' }])
  }
  expect(ada.calls).toMatchObject([{ phase: 'ringing', tab: 'a' }])
  expect(await laptop.line.act({ do: 'accept', id: 'm', tab: 'l' })).toBe(ada.jid)
  await deliver()
  expect(phone.calls).toEqual([])
  expect(phone.events).toEqual([{ type: 'ended', id: 'm', tab: '', reason: 'elsewhere' }])
  expect(ada.events).toEqual([{ type: 'proceed', id: 'm', tab: 'a', peer: laptop.jid, device: 7 }])
  // of two tabs, one has it
  expect(await laptop.line.act({ do: 'accept', id: 'm', tab: 'other' })).toBeUndefined()
})

test('somebody who declines stops all devices of both', async () => {
  await calls()
  await phone.line.act({ do: 'reject', id: 'm', reason: 'decline' })
  await deliver()
  expect([ada.calls, phone.calls, laptop.calls]).toEqual([[], [], []])
  expect(ada.events).toMatchObject([{ type: 'ended', reason: 'decline' }])
  expect(laptop.events).toMatchObject([{ type: 'ended', reason: 'elsewhere' }])
})

test('somebody who gives up stops the ringing', async () => {
  await calls()
  await ada.line.act({ do: 'end', id: 'm', reason: 'cancel' })
  await deliver()
  expect(phone.events).toMatchObject([{ type: 'ended', reason: 'cancel' }])
  expect(ada.logged).toEqual(['propose', 'retract'])
})

test('nobody answers: the caller gives up after a minute, and a called device by itself', async () => {
  await calls()
  for (const { run, ms } of ada.timers) {
    expect(ms).toBe(60_000)
    run()
  }
  expect(ada.said()).toEqual(['retract'])
  ada.sent.length = 0
  for (const { run } of phone.timers) run()
  expect(phone.calls).toEqual([])
  expect(phone.logged).toEqual(['retract'])
})

test('a proposal of more than a minute ago never rings', async () => {
  const stanza = parse(propose(BEN, 'old', false).xml)
  await phone.hears(stanza, ada.jid, clock.now - 60_001)
  expect(phone.calls).toEqual([])
  expect(phone.sent).toEqual([])
  await phone.hears(stanza, ada.jid, clock.now - 30_000)
  expect(phone.calls).toHaveLength(1)
  expect([...phone.timers][0]?.ms).toBe(30_000)
})

test('what comes late does not let a call ring again', async () => {
  const retracted = parse(over('retract', BEN, 'm', 'cancel').xml)
  await phone.hears(retracted, ada.jid)
  await phone.hears(parse(propose(BEN, 'm', false).xml), ada.jid)
  expect(phone.calls).toEqual([])
})

test.each([
  ['lower', 'a', 'b'],
  ['higher', 'b', 'a']
])('both call at once, the caller with the %s id: it becomes one call', async (_, mine, theirs) => {
  await ada.line.act({ do: 'propose', id: mine, to: BEN, video: false, tab: 'a' })
  await phone.line.act({ do: 'propose', id: theirs, to: ADA, video: false, tab: 'p' })
  await deliver()
  const winner = [mine, theirs].sort()[0] ?? ''
  expect(ada.calls).toMatchObject([{ id: winner, phase: 'accepted', tab: 'a' }])
  expect(phone.calls).toMatchObject([{ id: winner, phase: 'accepted', tab: 'p' }])
  // nobody else rings any more
  expect(laptop.calls).toEqual([])
  const [caller, other] = mine === winner ? [ada, phone] : [phone, ada]
  expect(caller.events).toMatchObject([{ type: 'proceed', id: winner, peer: other.jid }])
  expect(other.events).toMatchObject([{ type: 'replaced', by: winner, peer: caller.jid }])
})

test('calling somebody who calls already answers them', async () => {
  await calls('theirs')
  await phone.line.act({ do: 'propose', id: 'mine', to: ADA, video: false, tab: 'p' })
  await deliver()
  expect(phone.calls).toMatchObject([{ id: 'theirs', phase: 'accepted', tab: 'p' }])
  expect(phone.events).toMatchObject([{ type: 'replaced', id: 'mine', by: 'theirs', peer: ada.jid }])
  expect(ada.events).toMatchObject([{ type: 'proceed', id: 'theirs', peer: phone.jid }])
  expect(laptop.calls).toEqual([])
})

test('somebody who calls again from another device goes on with the call', async () => {
  await calls('one')
  await phone.line.act({ do: 'accept', id: 'one', tab: 'p' })
  await deliver()
  await laptop.line.act({ do: 'propose', id: 'two', to: ADA, video: false, tab: 'l' })
  await deliver()
  expect(ada.calls).toMatchObject([{ id: 'two', phase: 'accepted', tab: 'a' }])
  expect(ada.events.at(-1)).toMatchObject({ type: 'replaced', id: 'one', by: 'two', peer: laptop.jid })
  expect(laptop.events.at(-1)).toMatchObject({ type: 'proceed', id: 'two' })
  expect(phone.calls).toEqual([])
})

test('people who may not ring learn nothing, and strangers who may do not learn that a device is there', async () => {
  phone.admits = 'silent'
  laptop.admits = 'rings-unseen'
  await calls()
  expect(phone.calls).toEqual([])
  expect(laptop.calls).toHaveLength(1)
  expect([...phone.said(), ...laptop.said()]).toEqual([])
  expect(ada.calls).toMatchObject([{ phase: 'proposed' }])
})

test('a flood of proposals rings a few times, and leaves other people their line', async () => {
  for (let count = 0; count < 100; count++) {
    await phone.hears(parse(propose(BEN, `m${String(count)}`, false).xml), 'eve@evil.example/1')
    await phone.hears(parse(over('retract', BEN, `m${String(count)}`, 'cancel').xml), 'eve@evil.example/1')
  }
  expect(phone.said().filter((one) => one === 'ringing').length).toBeLessThanOrEqual(20)
  await calls()
  expect(phone.calls).toMatchObject([{ id: 'm', with: ADA }])
})

test('more calls at once than anybody can hear are busy', async () => {
  for (let count = 0; count < 6; count++)
    await phone.hears(parse(propose(BEN, `m${String(count)}`, false).xml), `p${String(count)}@example.org/1`)
  expect(phone.calls).toHaveLength(4)
  expect(phone.said().filter((one) => one === 'reject')).toHaveLength(2)
})

test('a call is only what its own two sides say of it', async () => {
  await calls()
  const eve = 'eve@evil.example/1'
  for (const stanza of [
    proceed(ADA, 'm', 9),
    over('reject', ADA, 'm', 'decline'),
    over('retract', BEN, 'm', 'cancel'),
    over('finish', BEN, 'm', 'success'),
    plain('ringing', ADA, 'm')
  ]) {
    await ada.hears(parse(stanza.xml), eve)
    await phone.hears(parse(stanza.xml), eve)
  }
  expect(ada.calls).toMatchObject([{ phase: 'ringing' }])
  expect(phone.calls).toMatchObject([{ phase: 'ringing' }])
  // another device of the same account can't accept what it did not propose
  await ada.hears(parse(proceed(BEN, 'm', 1).xml), `${ADA}/other`)
  expect(ada.events).toEqual([])
})

const JINGLE = (from: string, sid = 'm'): Xml =>
  parse(
    `<iq xmlns='jabber:client' type='set' id='1' from='${from}'><jingle xmlns='urn:xmpp:jingle:1' action='session-info' sid='${sid}'/></iq>`
  )

test('requests reach the tab of the call, from the device that takes part in it and nobody else', async () => {
  await calls()
  expect(await phone.line.iq(JINGLE(ada.jid))).toBe(true) // not accepted yet
  await phone.line.act({ do: 'accept', id: 'm', tab: 'p' })
  for (const from of [`${ADA}/other`, 'eve@evil.example/1', `${BEN}/laptop`, ADA])
    await phone.line.iq(JINGLE(from))
  await phone.line.iq(JINGLE(ada.jid, 'unknown'))
  expect(phone.events).toEqual([])
  const answers = phone.sent.filter(({ name }) => name === 'iq')
  expect(answers.map((one) => attribute(one, 'type'))).toEqual(Array(6).fill('error'))
  await phone.line.iq(JINGLE(ada.jid))
  expect(phone.events).toMatchObject([{ type: 'jingle', tab: 'p', iq: '1' }])
})

test('a huge request is refused before anybody reads it', async () => {
  await calls()
  await phone.line.act({ do: 'accept', id: 'm', tab: 'p' })
  const huge = parse(
    `<iq xmlns='jabber:client' type='set' id='1' from='${ada.jid}'><jingle xmlns='urn:xmpp:jingle:1' sid='m'><x a='${'y'.repeat(200_000)}'/></jingle></iq>`
  )
  await phone.line.iq(huge)
  expect(phone.events).toEqual([])
})

test('a proposal that comes back ends the call', async () => {
  await calls()
  ada.line.bounced('m')
  expect(ada.events).toMatchObject([{ type: 'ended', reason: 'unreachable' }])
})

test('a tab tells the one that leads from now on which call it has', async () => {
  const call = { id: 'm', with: BEN, outgoing: true, video: false, phase: 'accepted' as const, tab: 'a' }
  for (const action of ['seal', 'end', 'send'] as const)
    expect(await ada.line.act({ do: action, id: 'm', text: '', xml: '', reason: 'success' })).toBe(
      UNKNOWN_CALL
    )
  await ada.line.act({ do: 'adopt', call: { ...call, since: 1, peer: phone.jid, device: 7 } })
  expect(ada.calls).toMatchObject([call])
  expect(await ada.line.act({ do: 'send', id: 'm', xml: '<refuse-me/>' })).toBe('item-not-found')
  expect(await ada.line.act({ do: 'send', id: 'm', xml: '<jingle/>' })).toBe('')
  await ada.hears(parse(over('finish', ADA, 'm', 'success').xml), phone.jid)
  expect(ada.events).toMatchObject([{ type: 'ended', tab: 'a', reason: 'success' }])
})

test('what is asked of a device that comes back after the server was away is asked again', async () => {
  const call = { id: 'm', with: BEN, outgoing: true, video: false, phase: 'accepted' as const, tab: 'a' }
  await ada.line.act({ do: 'adopt', call: { ...call, since: 1, peer: phone.jid, device: 7 } })
  ada.away = 2
  const asked = ada.line.act({ do: 'send', id: 'm', xml: '<jingle/>' })
  for (let turn = 0; turn < 20; turn++) {
    await new Promise((done) => setTimeout(done))
    for (const { run } of [...ada.timers]) run()
  }
  expect(await asked).toBe('')
  expect(ada.requests).toHaveLength(3)
  ada.away = Infinity
  clock.now += 60_000
  const lost = ada.line.act({ do: 'send', id: 'm', xml: '<jingle/>' })
  await new Promise((done) => setTimeout(done))
  clock.now += 60_000
  for (const { run } of [...ada.timers]) run()
  expect(await lost).toBe('service-unavailable')
})

test.each(['', "id=''", `id='${'x'.repeat(300)}'`, "id='a b'"])('what is no call is none: %s', (id) => {
  const stanza = `<message><propose xmlns='urn:xmpp:jingle-message:0' ${id}/></message>`
  expect(callMessageIn(parse(stanza))).toBeUndefined()
})
