import { afterEach, expect, test } from 'vitest'
import { Device, until } from './people'
import { World } from './world'

let open: Device | undefined

afterEach(async () => open?.close())

test('who has not looked for a while is away, and who looks again is online', async () => {
  const world = new World()
  const ada = (open = new Device(world, 'ada@example.org'))
  world.tokens.set(ada.agent, 'token')
  ada.awayAfter = 30
  await ada.open()
  await ada.online()
  const away = () => world.presences.filter((one) => one.includes('<show>away</show>')).length
  ada.app.visible(false)
  await until(() => away() === 1)
  // A new session begins as the old one was
  world.restart(true)
  await until(() => ada.live.connection !== 'online')
  ada.app.visible(false)
  await until(() => away() === 2)
  ada.app.visible(true)
  await until(() => !world.presences.at(-1)?.includes('away'))
  // A short look elsewhere is none
  const said = world.presences.length
  ada.app.visible(false)
  ada.app.visible(true)
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(world.presences.length).toBe(said)
})
