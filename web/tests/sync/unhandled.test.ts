/** What can't be handled costs nothing else. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { UNHANDLED, type Counted } from '../../src/sync/app'
import { type Device, device, turnOff, until } from './people'
import { World } from './world'

const counted = async (of: Device) => (await of.db.fact<Counted>(UNHANDLED)) ?? { count: 0, told: 0 }
const logins = (world: World, of: Device) => world.logins.filter((jid) => jid.endsWith(of.agent)).length

test('whatever of the messages can not be handled, live or at catch-up, the others come and the connection stays', async () => {
  const step = fc.record({
    text: fc.constantFrom('good', 'bad to open', 'bad to store', 'bad once'),
    away: fc.boolean(),
    other: fc.constantFrom('', '<presence', '<iq')
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 10 }), async (steps) => {
      const world = new World()
      const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
      const open = ada.sealed.decrypt.bind(ada.sealed)
      let cured = false
      let once = 0
      ada.sealed.decrypt = async (from, envelope, id) => {
        const text = new TextDecoder().decode(envelope.payload)
        if (!cured && text.startsWith('bad to open')) throw new Error('handler')
        if (text.startsWith('bad once') && once++ % 2 === 0) throw new Error('handler')
        return open(from, envelope, id)
      }
      ada.db.messages.hook('creating', (_, { text }) => {
        if (!cured && text.startsWith('bad to store')) throw new Error('handler')
      })
      const texts = steps.map(({ text }, place) => `${text} ${place}`)
      let expected = 1
      for (const [place, { away, other }] of steps.entries()) {
        if (away && ada.plug.in) ada.cut()
        else if (!away && !ada.plug.in) {
          ada.join()
          expected += 1
          await ada.online()
        }
        if (other && !away) world.give(ada, `${other} type='set' from='\u0001' xmlns='jabber:client'/>`)
        await ben.app.send(ada.address, texts[place] ?? '')
        await ben.online()
      }
      if (!ada.plug.in) expected += 1
      ada.join()
      await ada.online()
      const good = texts.filter((text) => !text.startsWith('bad to'))
      const bad = texts.length - good.length
      await until(async () => (await ada.texts(ben)).length === good.length)
      expect(await ada.texts(ben)).toEqual(good)
      await until(async () => (await counted(ada)).count >= bad)
      expect(logins(world, ada)).toBeLessThanOrEqual(expected)
      // A version that can
      cured = true
      world.restart(true)
      ada.join()
      await until(async () => (await ada.texts(ben)).length === texts.length)
      expect(await ada.texts(ben)).toEqual(texts)
      await turnOff()
    }),
    { numRuns: Number(process.env['RUNS'] ?? 8), endOnFailure: true }
  )
}, 300_000)

test('a message that bricked the app comes, and those after it, over the same connection', async () => {
  const world = new World()
  const ada = await device(world, 'ada')
  const from = "from='eve@example.org/x' to='ada@example.org' type='chat' xmlns='jabber:client'"
  world.give(ada, `<message ${from} id='1'><body constructor='1' __proto__='2'>one</body></message>`)
  world.give(ada, `<message ${from} id='2'><body><![CDATA[two]]]></body></message>`)
  world.give(ada, `<message ${from} id='3'><body>three</message>`)
  world.give(ada, `<message ${from} id='4'><body xmlns=''>hidden</body><body>four</body></message>`)
  await until(async () => (await ada.db.messages.count()) === 3)
  expect((await ada.db.messages.toArray()).map(({ text }) => text)).toEqual(['one', 'two]', 'four'])
  expect(await counted(ada)).toEqual({ count: 1, told: 0 })
  await ada.app.acknowledgeUnhandled()
  expect(await counted(ada)).toEqual({ count: 1, told: 1 })
  expect(logins(world, ada)).toBe(1)
})
