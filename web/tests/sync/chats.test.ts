/** What people do with messages and chats, on several devices. */
import { afterEach, expect, test } from 'vitest'
import { parse } from '../../src/sync/xml'
import { Device, until } from './people'
import { World } from './world'

const open: Device[] = []

async function device(world: World, name: string): Promise<Device> {
  const made = await Device.of(world, name)
  open.push(made)
  return made
}

afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

test('what was sent without styles stays so: as it is forwarded, and until it is changed', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  world.take(
    'ben@example.org/other',
    parse(
      `<message xmlns='jabber:client' to='${ada.address}' id='plain'><body>&gt; _ &lt;</body>` +
        `<unstyled xmlns='urn:xmpp:styling:0'/></message>`
    )
  )
  await until(async () => (await ada.with(ben))[0]?.unstyled === true)
  const [message] = await ada.with(ben)
  await ada.app.forward([message?.key ?? ''], [ben.address])
  await until(async () => (await ben.with(ada)).some((one) => one.forwarded && one.unstyled))
  world.take(
    'ben@example.org/other',
    parse(
      `<message xmlns='jabber:client' to='${ada.address}' id='again'><body>*styled*</body>` +
        `<replace xmlns='urn:xmpp:message-correct:0' id='plain'/></message>`
    )
  )
  await until(async () => (await ada.with(ben))[0]?.text === '*styled*')
  expect((await ada.with(ben))[0]?.unstyled).toBeUndefined()
})
