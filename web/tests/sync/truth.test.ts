/** What is said of a message is so: whether it is encrypted, sent, read, and why not. */
import 'fake-indexeddb/auto'
import { expect, test } from 'vitest'
import { type Fingerprint, NobodyCanRead } from '../../src/crypto/crypto'
import type { Message } from '../../src/local/types'
import { reachOf } from '../../src/parts/reach.svelte'
import { group } from '../../src/chat/timeline'
import { type Device, device, until } from './people'
import { World } from './world'

/** Lets a device see the other's devices with this trust, which it can change. */
function trusting(
  one: Device,
  account: string,
  trust: Fingerprint['trust']
): { trust: Fingerprint['trust'] } {
  const state = { trust }
  const { sealed } = one
  const fingerprints = sealed.fingerprints.bind(sealed)
  sealed.fingerprints = async (of) =>
    (await fingerprints(of)).map((known) => (of === account ? { ...known, trust: state.trust } : known))
  const encrypt = sealed.encrypt.bind(sealed)
  sealed.encrypt = async (to, text) => {
    if (to.includes(account) && !['verified', 'first-use'].includes(state.trust))
      throw new NobodyCanRead('untrusted')
    return encrypt(to, text)
  }
  Object.assign(sealed, {
    setTrust: async (_account: string, _device: number, now: Fingerprint['trust']) => {
      state.trust = now
    }
  })
  return state
}

test.each([
  ['undecided', 'first-use'],
  ['undecided', 'verified'],
  ['distrusted', 'verified']
] as const)('what no %s device may read says why, and goes once it is %s', async (before, after) => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  trusting(ada, ben.address, before)
  await Promise.all(['1', '2', '3'].map((text) => ada.app.send(ben.address, text)))
  await until(async () => (await ada.with(ben)).every(({ progress }) => progress === 'failed'))
  expect((await ada.with(ben)).map(({ failure }) => failure)).toEqual([before, before, before])
  await ada.app.setTrust(ben.address, await ben.sealed.device(), after)
  await until(async () => (await ben.texts(ada)).length === 3)
  expect(await ben.texts(ada)).toEqual(['1', '2', '3'])
  await until(async () => (await ada.with(ben)).every(({ progress }) => progress === 'delivered'))
  expect((await ada.with(ben)).some(({ failure }) => failure)).toBe(false)
})

test.each([
  ['undecided', 'first-use'],
  ['distrusted', 'verified']
] as const)('an edit and a reaction that no %s device may read go once it is %s', async (before, after) => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  await ada.app.send(ben.address, 'one')
  await until(async () => (await ben.texts(ada)).length === 1)
  await ada.online()
  const key = (await ada.with(ben))[0]?.key ?? ''
  trusting(ada, ben.address, before)
  await ada.app.edit(key, 'one!')
  await ada.app.react(key, ['👍'])
  await until(async () => (await unsent(ada, key)).length === 2)
  expect((await ada.db.messages.get(key))?.unsent).toMatchObject({
    edit: { failure: before },
    reaction: { failure: before }
  })
  await ada.app.setTrust(ben.address, await ben.sealed.device(), after)
  await until(async () => (await ben.texts(ada))[0] === 'one!')
  await until(async () => (await ben.with(ada))[0]?.reactions[ada.address]?.[0] === '👍')
  await ada.online()
  expect(await unsent(ada, key)).toEqual([])
})

const unsent = async (one: Device, key: string) =>
  Object.keys((await one.db.messages.get(key))?.unsent ?? {}).sort()

test('what nobody can read says so, and what came back as well', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  await ada.app.send('nobody@example.org', 'hello?')
  await until(async () => (await ada.db.messages.toArray())[0]?.failure === 'no-device')
  await ada.app.send(ben.address, 'refused')
  await ada.online()
  const id = (await ada.with(ben))[0]?.id ?? ''
  world.ring({
    ...{ id: '', from: ben.address, to: ada.address, inner: '', type: 'error' },
    stanza: `<message xmlns='jabber:client' type='error' from='${ben.address}' to='${ada.address}' id='${id}'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>`
  })
  await until(async () => {
    const [message] = await ada.with(ben)
    // Unless it was delivered before
    return message?.failure === 'refused' || message?.progress === 'delivered'
  })
})

test('an encrypted message of a device that is not trusted is not said to be in the clear', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  const state = trusting(ben, ada.address, 'undecided')
  const decrypt = ben.sealed.decrypt.bind(ben.sealed)
  ben.sealed.decrypt = async (...given) => {
    const opened = await decrypt(...given)
    return opened.type === 'text' ? { ...opened, trusted: state.trust === 'verified' } : opened
  }
  await ada.app.send(ben.address, 'from an unknown device')
  await until(async () => (await ben.with(ada)).length === 1)
  const from = await ada.sealed.device()
  expect((await ben.with(ada))[0]).toMatchObject({ encrypted: false, untrusted: from })
  await ben.app.setTrust(ada.address, from, 'verified')
  await until(async () => (await ben.with(ada))[0]?.encrypted === true)
  expect((await ben.with(ada))[0]?.untrusted).toBeUndefined()
})

const markers = (world: World) => world.log.filter(({ inner }) => inner.includes('<displayed '))

test('nobody is told that I read what I could not read', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  ben.sealed.lost.add(await ada.sealed.device())
  ada.sealed.fingerprints = async () => []
  await ada.app.send(ben.address, 'unreadable')
  await until(async () => (await ben.with(ada))[0]?.kind === 'unreadable')
  await ben.app.read(ada.address, (await ben.with(ada))[0]?.key ?? '')
  await ben.online()
  expect(markers(world)).toEqual([])
  await ada.app.send(ben.address, 'readable')
  await until(async () => (await ben.texts(ada)).includes('readable'))
  await ben.app.read(ada.address, (await ben.with(ada)).at(-1)?.key ?? '')
  await until(async () => (await ada.with(ben)).at(-1)?.progress === 'read')
  // What they never got is not read by that
  expect((await ada.with(ben)).map(({ progress }) => progress)).toEqual(['sent', 'read'])
})

test('who is blocked is not told what I read', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  await ada.app.send(ben.address, 'hello')
  await until(async () => (await ben.texts(ada)).length === 1)
  await ben.online()
  await ben.app.block(ada.address, true)
  await until(async () => (await ben.db.contacts.get(ada.address))?.blocked === true)
  await ben.app.read(ada.address, (await ben.with(ada))[0]?.key ?? '')
  await ben.online()
  expect(markers(world)).toEqual([])
  expect((await ben.db.chats.get(ada.address))?.unread).toBe(0)
})

test('a hundred messages that can not be read yet are one row', () => {
  const message = (place: number, kind: Message['kind'] = 'unreadable', mine = false): Message => ({
    ...{
      key: `k${place}`,
      chat: 'c',
      at: 1e12 + place,
      order: String(place),
      from: 'b',
      mine,
      id: `${place}`
    },
    ...{ kind, text: '', progress: 'read', reactions: {}, encrypted: false, asked: true }
  })
  const all = Array.from({ length: 100 }, (_, place) => message(place))
  const rows = [...group([...all, message(100, 'text'), message(101)], '', new Map()).values()]
  expect(rows.map(({ message: { key }, count }) => [key, count])).toEqual([
    ['k99', 100],
    ['k100', 1],
    ['k101', 1]
  ])
  // What is new begins a row of its own
  expect([...group(all, 'k50', new Map()).values()].map(({ count }) => count)).toEqual([50, 50])
  // The line of what is unread stands before the row that the first of them is in
  const divided = [...group(all, 'k50', new Map()).values()]
  expect(divided.map(({ divides }) => divides)).toEqual([false, true])
  expect(divided[1]).toMatchObject({ first: true, message: { key: 'k99' } })
  expect(divided[1]?.keys).toContain('k50')
  expect(divided[0]?.last).toBe(true)
})

test('a chat says that it is encrypted only where somebody can read it', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  expect(await ada.app.hasDevices(ben.address)).toBe(true)
  expect(await ada.app.hasDevices('nobody@example.org')).toBe(false)
  await ada.app.send('nobody@example.org', 'hello?')
  await until(async () => (await ada.db.messages.toArray())[0]?.failure === 'no-device')
  const failed = await ada.db.messages.toArray()
  await ada.app.send(ben.address, 'hello')
  await until(async () => (await ada.with(ben)).some(({ progress }) => progress === 'delivered'))
  const went = await ada.with(ben)
  expect(reachOf(true, [])).toBe('encrypted')
  expect(reachOf(false, went)).toBe('nobody')
  // without the server: by what has gone
  expect(reachOf(undefined, went)).toBe('encrypted')
  expect(reachOf(undefined, failed)).toBe('unknown')
  expect(reachOf(undefined, [])).toBe('unknown')
  ada.cut()
  await until(() => ada.live.connection === 'offline')
  await expect(ada.app.hasDevices('nobody@example.org')).rejects.toThrow()
})
