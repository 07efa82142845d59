import { afterEach, expect, test } from 'vitest'
import type { Live } from '../../src/sync/app'
import { Lost, NotConnected, Refused } from '../../src/xmpp/errors'
import { whenConnected } from '../../src/sync/when-connected'
import { Store } from '../../src/sync/store'
import { NS } from '../../src/xmpp/ns'
import { child } from '../../src/xmpp/xml'
import { Device } from './people'
import { World } from './world'

const devices: Device[] = []

afterEach(async () => {
  for (const device of devices.splice(0)) await device.close()
})

function state(connection: Live['connection']): Store<Live> {
  return new Store<Live>({
    ...{ connection, progress: undefined, typing: {}, present: {}, lastSeen: {}, leads: true }
  })
}

test('what only the server can do is done when the network is back', async () => {
  const ada = await Device.of(new World(), 'ada')
  devices.push(ada)
  ada.cut()
  const blocking = ada.app.block('eve@example.org', true)
  expect((await ada.db.contacts.get('eve@example.org'))?.blocked).not.toBe(true)
  ada.join()
  await blocking
  expect((await ada.db.contacts.get('eve@example.org'))?.blocked).toBe(true)
})

test('who is reported, but not to be blocked, is let in again whatever gets lost', async () => {
  const world = new World()
  const ada = await Device.of(world, 'ada')
  devices.push(ada)
  const request = world.request.bind(world)
  let unblocks = 0
  world.request = (session, iq) => {
    if (child(iq, NS.blocking, 'unblock') && ++unblocks === 1) world.restart(true)
    else request(session, iq)
  }
  await ada.app.report('eve@example.org', 'spam', [], false)
  expect(unblocks).toBe(2)
  expect((await ada.db.contacts.get('eve@example.org'))?.blocked).toBe(false)
})

test('an answer that was lost is asked for again', async () => {
  let tries = 0
  const done = await whenConnected(state('online'), async () => {
    tries += 1
    if (tries < 3) throw tries === 1 ? new Lost() : new NotConnected()
    return 'done'
  })
  expect([done, tries]).toEqual(['done', 3])
})

test('nobody waits for ever, and a refusal is told at once', async () => {
  const never = () => Promise.reject(new Error('was not to be tried'))
  await expect(whenConnected(state('connecting'), never, 50)).rejects.toThrow(NotConnected)
  await expect(whenConnected(state('online'), () => Promise.reject(new Lost()), 50)).rejects.toThrow(
    NotConnected
  )
  let tries = 0
  const refused = whenConnected(state('online'), async () => {
    tries += 1
    throw new Refused('forbidden', 'auth')
  })
  await expect(refused).rejects.toThrow(Refused)
  expect(tries).toBe(1)
})
