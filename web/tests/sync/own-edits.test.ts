/** Two devices of one person say different things of the same message, with and without a connection: all end alike. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fromBase64 } from '../../src/local/bytes'
import { NS } from '../../src/xmpp/ns'
import { attribute, child } from '../../src/xmpp/xml'
import { Device, until } from './people'
import { World } from './world'

type Step =
  | { do: 'edit' | 'react' | 'cut' | 'join'; by: 0 | 1 }
  | { do: 'settle' | 'hold' | 'late' | 'forget' | 'restart' }

const EMOJIS = ['😀', '😃', '😄', '😁', '😆', '😅', '😂', '🙂', '😉', '😊', '😇', '🥰', '😍', '🤩', '😘']

const by = fc.constantFrom(0 as const, 1 as const)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('edit' as const, 'react' as const), by }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('cut' as const, 'join' as const), by }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('settle', 'hold', 'late', 'forget', 'restart' as const) })
  }
)

const clock = fc.constantFrom(0, 2000, -2000)

const said = async (one: Device, other: Device) =>
  (await one.with(other)).map(({ text, reactions }) => ({ text, reactions }))

/** A device of ada whose clock is late by so many milliseconds, or ahead: by that it guesses what is the newest. */
async function withClock(world: World, ahead: number): Promise<Device> {
  const one = new Device(world, 'ada@example.org')
  one.deps = { now: () => Date.now() + ahead }
  world.tokens.set(one.agent, 'token')
  await one.open()
  await one.online()
  return one
}

/** What is to be seen of the one message: the last that the server has put behind all others. */
function truth({ log }: World): unknown {
  const last = (of: (inner: string) => boolean): string | undefined => {
    const inner = log.findLast((entry) => of(entry.inner))?.inner ?? ''
    const payload = /<payload>([^<]*)/.exec(inner)?.[1]
    return payload && new TextDecoder().decode(fromBase64(payload))
  }
  const reaction = last((inner) => inner.includes('<reaction '))
  const edit = last((inner) => inner.includes('<replace ') && !inner.includes('<reaction '))
  return [
    {
      text: edit ?? 'first',
      reactions: reaction ? { 'ada@example.org': [reaction] } : {}
    }
  ]
}

/** Plays steps on two devices of ada; returns what all three show of the one message in the end, and what they should. */
async function play(steps: Step[], ahead = 0): Promise<{ shown: unknown[]; right: unknown[] }> {
  const world = new World()
  const [phone, tablet] = [await withClock(world, ahead), await Device.of(world, 'ada')]
  const ben = await Device.of(world, 'ben')
  const all = [phone, tablet, ben]
  try {
    await phone.app.send(ben.address, 'first')
    await until(async () => (await ben.texts(phone)).length === 1 && (await tablet.texts(ben)).length === 1)
    const [{ key = '' } = {}] = await phone.with(ben)
    for (const [place, one] of steps.entries()) {
      const device = 'by' in one ? [phone, tablet][one.by] : undefined
      if (one.do === 'edit') await device?.app.edit(key, `edit ${String(place)}`)
      else if (one.do === 'react') await device?.app.react(key, [EMOJIS[place] ?? '👍'])
      else if (one.do === 'cut') device?.cut()
      else if (one.do === 'join') device?.join()
      else if (one.do === 'hold') world.holding = true
      else if (one.do === 'late') world.late()
      else if (one.do === 'forget' || one.do === 'restart') world.restart(one.do === 'forget')
      else await new Promise((resolve) => setTimeout(resolve, 30))
    }
    world.late()
    const shown = () => Promise.all([said(phone, ben), said(tablet, ben), said(ben, phone)])
    for (const one of all) one.join()
    await until(async () => {
      for (const one of all) await one.online()
      const right = JSON.stringify(truth(world))
      return (await shown()).every((one) => JSON.stringify(one) === right)
    }, 25_000).catch(() => undefined)
    return { shown: await shown(), right: all.map(() => truth(world)) }
  } finally {
    for (const one of all) await one.close()
  }
}

test('what was written without a connection is the newest when it is sent, for the one who wrote it as well', async () => {
  const steps: Step[] = [
    { do: 'cut', by: 0 },
    { do: 'edit', by: 0 },
    { do: 'react', by: 0 },
    { do: 'edit', by: 1 },
    { do: 'react', by: 1 },
    { do: 'settle' },
    { do: 'join', by: 0 }
  ]
  const expected = [{ text: 'edit 1', reactions: { 'ada@example.org': [EMOJIS[2]] } }]
  expect((await play(steps)).shown).toEqual([expected, expected, expected])
}, 30_000)

test('and in the same moment, the one that the server has put behind the other counts everywhere', async () => {
  for (let times = 0; times < 3; times++) {
    const { shown, right } = await play([
      { do: 'edit', by: 0 },
      { do: 'edit', by: 1 },
      { do: 'react', by: 1 },
      { do: 'react', by: 0 }
    ])
    expect(shown).toEqual(right)
  }
}, 60_000)

test('what two devices say while the archive is asked is asked for, too', async () => {
  const world = new World()
  // It takes whatever it says for the newest, until the archive has told
  const phone = await withClock(world, 2000)
  const [tablet, ben] = [await Device.of(world, 'ada'), await Device.of(world, 'ben')]
  const all = [phone, tablet, ben]
  try {
    await phone.app.send(ben.address, 'first')
    await until(async () => (await ben.texts(phone)).length === 1 && (await tablet.texts(ben)).length === 1)
    await phone.online()
    const [{ key = '' } = {}] = await phone.with(ben)
    let answer: (() => void) | undefined
    const [request, push] = [world.request.bind(world), world.push.bind(world)]
    world.request = (session, iq) => {
      if (
        answer ||
        !session.jid.endsWith(phone.agent) ||
        attribute(child(iq, NS.mam, 'query'), 'queryid') === ''
      )
        return request(session, iq)
      const frames: string[] = []
      world.push = (_, frame) => void frames.push(frame)
      request(session, iq)
      world.push = push
      answer = () => frames.forEach((frame) => push(session, frame))
    }
    await phone.app.edit(key, 'one')
    await phone.online()
    await tablet.app.edit(key, 'two')
    await until(() => answer !== undefined)
    await phone.app.react(key, ['😀'])
    await phone.online()
    await tablet.app.react(key, ['😃'])
    const reactions = () => phone.db.changes.filter(({ kind, earlier }) => kind === 'reaction' && !!earlier)
    await until(async () => (await reactions().count()) === 1)
    answer?.()
    const told = { text: 'two', reactions: { [phone.address]: ['😃'] } }
    for (const one of all) {
      const other = one === ben ? phone : ben
      await until(async () => JSON.stringify(await said(one, other)) === JSON.stringify([told])).catch(
        () => undefined
      )
      expect(await said(one, other)).toEqual([told])
    }
  } finally {
    for (const one of all) await one.close()
  }
}, 60_000)

test('any interleaving on two devices ends with the same text and reaction on all', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 14 }), clock, async (steps, ahead) => {
      const { shown, right } = await play(steps, ahead)
      expect(shown).toEqual(right)
    }),
    { numRuns: Number(process.env['RUNS'] ?? 12), endOnFailure: true }
  )
}, 300_000)
