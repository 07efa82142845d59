/** Whatever comes between, both sides end with the same history, and all of it. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Message } from '../../src/local/types'
import { Device, until } from './people'
import { World } from './world'

type Step =
  | { do: 'send' | 'burst' | 'edit' | 'react' | 'retract' | 'read'; by: number; pick: number }
  | { do: 'cut' | 'join' | 'lose keys'; by: number }
  | { do: 'restart' | 'forget' | 'hold' | 'late' | 'again' | 'pause' }

const by = fc.integer({ min: 0, max: 2 })
const pick = fc.nat({ max: 20 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('send', 'burst'), by, pick }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constantFrom('edit', 'react', 'retract', 'read'), by, pick })
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('cut', 'join', 'lose keys'), by }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constantFrom('restart', 'forget', 'hold', 'late', 'again', 'pause') })
  }
)

test('any interleaving of disconnects, duplicates and late deliveries leaves both histories equal and complete', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 30 }), async (steps) => {
      const world = new World()
      // Two devices of one person, and one of another
      const devices = [
        await Device.of(world, 'ada'),
        await Device.of(world, 'ada'),
        await Device.of(world, 'ben')
      ]
      try {
        await play(world, devices, steps)
      } finally {
        for (const device of devices) await device.close()
      }
    }),
    {
      numRuns: Number(process.env['RUNS'] ?? 15),
      endOnFailure: true
    }
  )
}, 600_000)

async function play(world: World, devices: Device[], steps: Step[]): Promise<void> {
  const [ada, , ben] = devices as [Device, Device, Device]
  const other = (device: Device) => (device === ben ? ada : ben)
  const sent: string[] = []
  for (const [place, step] of steps.entries()) {
    if ('by' in step) {
      const device = devices[step.by]
      if (!device) continue
      if (step.do === 'cut') device.cut()
      else if (step.do === 'join') device.join()
      else if (step.do === 'lose keys') device.sealed.lost.add(await other(device).sealed.device())
      else if ('pick' in step) await act(device, other(device), step.do, step.pick, place, sent)
    } else if (step.do === 'restart' || step.do === 'forget') world.restart(step.do === 'forget')
    else if (step.do === 'hold') world.holding = true
    else if (step.do === 'late') world.late()
    else if (step.do === 'again') for (const entry of world.log.slice(-5)) world.ring(entry)
    else await new Promise((resolve) => setTimeout(resolve, 20))
  }
  world.late()
  for (const device of devices) device.join()
  const settled = async () => {
    for (const device of devices) await device.online()
    const all = await Promise.all(devices.map((device) => history(device, other(device))))
    return all.every((one) => one.every(({ kind }) => kind !== 'unreadable')) && same(all)
  }
  await until(settled, 15_000).catch(() => undefined)
  for (const device of devices) await device.online()
  const [first, ...rest] = await Promise.all(devices.map((device) => history(device, other(device))))
  for (const one of rest) expect(one).toEqual(first)
  expect(first?.map(({ id }) => id).sort()).toEqual(sent.sort())
}

async function act(
  device: Device,
  to: Device,
  what: string,
  pick: number,
  place: number,
  sent: string[]
): Promise<void> {
  const messages = (await device.with(to)).filter(({ kind }) => kind === 'text')
  if (what === 'send') {
    await device.app.send(to.address, `text ${place}`)
    const all = await device.with(to)
    sent.push(all.find(({ text, mine }) => mine && text === `text ${place}`)?.id ?? 'none')
    return
  }
  if (what === 'burst') {
    const texts = Array.from({ length: 5 }, (_, number) => `burst ${place} ${number}`)
    await Promise.all(texts.map((text) => device.app.send(to.address, text)))
    const all = (await device.with(to)).filter(({ mine, text }) => mine && texts.includes(text))
    expect(all.map(({ text }) => text)).toEqual(texts)
    sent.push(...all.map(({ id }) => id))
    return
  }
  const own = messages.filter(({ mine }) => mine)
  const mine = own[pick % Math.max(1, own.length)]
  const any = messages[pick % Math.max(1, messages.length)]
  if (what === 'edit' && mine) await device.app.edit(mine.key, `edited ${place}`)
  if (what === 'retract' && mine) {
    await device.app.deleteForEveryone(mine.key)
    // What had not left the device is nowhere
    const there = (await device.with(to)).some(({ id }) => id === mine.id)
    if (!there) sent.splice(sent.indexOf(mine.id), 1)
  }
  if (what === 'react' && any)
    await device.app.react(any.key, pick % 3 ? [String.fromCodePoint(0x1f600 + place)] : [])
  if (what === 'read' && any) await device.app.read(to.address, any.key)
}

/** What has to be the same on both sides; in an order that is, too. */
async function history(device: Device, to: Device) {
  const messages = await device.with(to)
  return messages.map(seen).sort((a, b) => (a.id < b.id ? -1 : 1))
}

function seen({ id, from, kind, text, reactions, encrypted }: Message) {
  return { id, from, kind, text, reactions, encrypted }
}

function same(all: unknown[]): boolean {
  return all.every((one) => JSON.stringify(one) === JSON.stringify(all[0]))
}

test('what is edited and deleted before it leaves is shown to nobody', async () => {
  const world = new World()
  const devices = [
    await Device.of(world, 'ada'),
    await Device.of(world, 'ada'),
    await Device.of(world, 'ben')
  ]
  try {
    await play(world, devices, [
      { do: 'send', by: 2, pick: 0 },
      { do: 'edit', by: 2, pick: 0 },
      { do: 'react', by: 2, pick: 0 },
      { do: 'retract', by: 2, pick: 0 },
      { do: 'send', by: 0, pick: 0 }
    ])
  } finally {
    for (const device of devices) await device.close()
  }
}, 60_000)
