/** Messages that are pinned, for both sides. */
import { expect, test } from 'vitest'
import { pinned } from '../../src/local/queries'
import { LONGEST_PIN, pinIn } from '../../src/xmpp/sealed'
import { device, Device, until, twoOf } from './people'
import { World } from './world'

test('a pin shows on both sides and all devices, and other apps see no text', async () => {
  const world = new World()
  const [ada, tablet, ben] = await twoOf(world)
  await ben.app.send(ada.address, 'remember')
  for (const one of [ada, tablet]) await until(async () => (await one.texts(ben)).includes('remember'))
  const [message] = await ada.with(ben)
  await ada.app.pinMessage(message?.key ?? '', 86_400)
  const shown = async (one: Device, other: Device) =>
    (await pinned(one.db, other.address, Date.now())).map(({ text }) => text)
  for (const [one, other] of [
    [ada, ben],
    [tablet, ben],
    [ben, ada]
  ] as const)
    await until(async () => (await shown(one, other)).join() === 'remember')
  expect((await ben.with(ada)).at(-1)).toMatchObject({ kind: 'notice', text: 'pinned', mine: false })
  const { inner = '' } = world.log.findLast((entry) => entry.inner.includes('sealed')) ?? {}
  expect(inner).not.toMatch(/<body|<payload|remember|pin/)
  // Whoever of both says the last word has it; and it ends by itself
  await ben.app.pinMessage((await ben.with(ada))[0]?.key ?? '', 0)
  for (const [one, other] of [
    [ada, ben],
    [tablet, ben],
    [ben, ada]
  ] as const)
    await until(async () => (await shown(one, other)).length === 0)
  await ada.app.pinMessage(message?.key ?? '', 86_400)
  expect(await pinned(ada.db, ben.address, Date.now() + 86_400_001)).toEqual([])
})

test('a pin is of this chat, not longer than a month, and three are the most', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  const texts = ['1', '2', '3', '4']
  for (const text of texts) await ben.app.send(ada.address, text)
  await until(async () => (await ada.texts(ben)).length === 4)
  for (const { key } of await ada.with(ben)) await ada.app.pinMessage(key, 86_400)
  for (const [one, other] of [
    [ada, ben],
    [ben, ada]
  ] as const)
    await until(
      async () => (await pinned(one.db, other.address, Date.now())).map((it) => it.text).join('') === '432'
    )
  const say = (pin: unknown) => pinIn(JSON.stringify({ pin }), ben.address, ada.address, 1000)
  expect(say({ id: 'x', from: ben.address, until: 1e15 })).toEqual({
    target: `${ben.address} ${ben.address}/x`,
    until: 1000 + LONGEST_PIN
  })
  for (const other of [
    { id: 'x', from: 'cleo@example.org', until: 1 },
    { id: '', from: ben.address, until: 1 },
    { id: 'x', from: ben.address, until: '1' },
    { id: 'x', from: ben.address, until: -1 },
    null,
    []
  ])
    expect(say(other)).toBeUndefined()
  expect(pinIn('pin', ben.address, ada.address, 0)).toBeUndefined()
})
