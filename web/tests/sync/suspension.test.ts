/** An account that the operators have suspended: the person is told, and nothing is lost. */
import { expect, test } from 'vitest'
import { write } from '../../src/xmpp/xml'
import { device, until } from './people'
import { World } from './world'

test('a suspension is told with its reason, keeps messages and keys, and ends by itself', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  await ada.app.send(ben.address, 'before')
  await ada.online()
  const keys = await ada.db.keys.count()
  world.suspended = 'Spam.\u202e Ask\nabuse@example.org'
  world.restart(true)
  await until(() => {
    ada.app.visible(true)
    return ada.live.suspended !== undefined
  })
  // What the server says is text, without characters that change the direction of other text
  expect(ada.live.suspended).toBe('Spam. Ask\nabuse@example.org')
  await ada.app.send(ben.address, 'meanwhile')
  expect(ada.live.connection).not.toBe('logged-out')
  expect(await ada.db.keys.count()).toBeGreaterThanOrEqual(keys)
  // It does not try again by itself for a while
  let tries = 0
  const login = world.login.bind(world)
  world.login = (socket, request) => {
    if (write(request).includes(ada.agent)) tries += 1
    return login(socket, request)
  }
  await new Promise((done) => setTimeout(done, 1500))
  expect(tries).toBeLessThanOrEqual(1) // what was under way
  const before = tries
  await new Promise((done) => setTimeout(done, 2500))
  expect(tries).toBe(before)
  world.suspended = undefined
  ada.app.visible(true)
  await ada.online()
  expect(ada.live.suspended).toBeUndefined()
  expect(await ada.texts(ben)).toEqual(['before', 'meanwhile'])
  await until(async () => {
    ben.app.visible(true)
    return (await ben.texts(ada)).length === 2
  })
})

test('a failure without a reason is a suspension as well', async () => {
  const world = new World()
  const ada = await device(world, 'ada')
  world.suspended = ''
  world.restart(true)
  await until(() => {
    ada.app.visible(true)
    return ada.live.suspended !== undefined
  })
  expect(ada.live.suspended).toBe('')
  expect(await ada.db.fact('credential')).toBeDefined()
})
