/** Edits, reactions, deletions and pins that do not reach the others say so, and can be sent again or taken back. */
import { describe, expect, test } from 'vitest'
import type { Message } from '../../src/local/types'
import { unsentOf } from '../../src/parts/states'
import { DEVICE_LIST } from '../../src/sync/keys'
import { NS } from '../../src/xmpp/ns'
import { parse } from '../../src/xmpp/xml'
import { device, Device, until } from './people'
import { World } from './world'

const GUS = 'gus@example.org'

const sent = (world: World) => world.log.filter(({ to }) => to === GUS).map(({ inner }) => inner)

async function chat(ada: Device): Promise<Message[]> {
  return ada.db.messages.where('[chat+at+order]').between([GUS, -Infinity, ''], [GUS, Infinity, '']).toArray()
}

const named = async (ada: Device, text: string) => (await chat(ada)).find((one) => one.text === text)

/** What the row of a message says of its changes. */
const unsent = async (ada: Device, key: string) => {
  const message = await ada.db.messages.get(key)
  return message ? unsentOf(message).map(({ kind }) => kind) : []
}

function list(world: World, ids: number[]): void {
  const devices = ids.map((id) => `<device id='${id}'/>`).join('')
  world.nodes.set(
    `${GUS} ${DEVICE_LIST}`,
    new Map([['current', `<list xmlns='${NS.omemo}'>${devices}</list>`]])
  )
}

/** Ada has written "one" to Gus, who has answered "hi", when he still had keys; then they are gone. */
async function withoutKeys(world: World): Promise<{ ada: Device; one: string; hi: string }> {
  world.friends.push(GUS)
  const ada = await device(world, 'ada')
  list(world, [77])
  await ada.app.send(GUS, 'one')
  await until(() => sent(world).length === 1)
  give(world, ada, '<body>hi</body>', 'g1')
  await until(async () => (await named(ada, 'hi')) !== undefined)
  await ada.online()
  list(world, [])
  const [one, hi] = [await named(ada, 'one'), await named(ada, 'hi')]
  return { ada, one: one?.key ?? '', hi: hi?.key ?? '' }
}

function give(world: World, to: Device, content: string, id: string): void {
  world.take(
    `${GUS}/x`,
    parse(`<message xmlns='jabber:client' to='${to.address}' type='chat' id='${id}'>${content}</message>`)
  )
}

/** What was sent last comes back, as of a peer or server that does not take it. */
function bounce(world: World, to: Device, condition: string, type = 'cancel'): void {
  const id = /<origin-id[^>]* id="([^"]*)"/.exec(sent(world).at(-1) ?? '')?.[1]
  world.give(
    to,
    `<message xmlns='jabber:client' type='error' from='${GUS}' to='${to.address}' id='${id}'><error type='${type}'><${condition} xmlns='${NS.stanzas}'/></error></message>`
  )
}

describe('without keys, and before the person agrees to write unencrypted', () => {
  test('an edit, a reaction and a pin say that they were not sent', async () => {
    const world = new World()
    const { ada, one, hi } = await withoutKeys(world)
    await ada.app.edit(one, 'one!')
    await ada.app.react(hi, ['👍'])
    await ada.app.pinMessage(one, 3600)
    await until(async () => (await unsent(ada, one)).length === 2 && (await unsent(ada, hi)).length === 1)
    expect(await unsent(ada, one)).toEqual(['edit', 'pin'])
    expect(await unsent(ada, hi)).toEqual(['reaction'])
    expect((await ada.db.messages.get(one))?.unsent?.edit?.failure).toBe('no-device')
    expect(sent(world)).toHaveLength(1)
    // The chat asks, as for a message
    expect((await ada.db.chats.get(GUS))?.keyless).toMatchObject({ agreed: false, before: true })
  })

  test('they survive a restart, and go when the person agrees', async () => {
    const world = new World()
    const { ada, one, hi } = await withoutKeys(world)
    await ada.app.edit(one, 'one!')
    await ada.app.react(hi, ['👍'])
    await until(async () => (await unsent(ada, one)).length + (await unsent(ada, hi)).length === 2)
    await ada.restart()
    await ada.online()
    await ada.app.sendUnencrypted(GUS, true)
    await until(() => sent(world).length === 3)
    await ada.online()
    const [, edit, reaction] = sent(world)
    expect(edit).toMatch(/<body[^>]*>one!<\/body>/)
    expect(edit).toContain('<replace')
    expect(reaction).toContain('<reaction>👍</reaction>')
    expect([...(await unsent(ada, one)), ...(await unsent(ada, hi))]).toEqual([])
    expect(await ada.db.messages.get(one)).toMatchObject({ text: 'one!', encrypted: false })
    expect((await ada.db.messages.get(one))?.edits?.map(({ text }) => text)).toEqual(['one'])
  })

  test('taken back, all is as it was before, and nothing is sent', async () => {
    const world = new World()
    const { ada, one, hi } = await withoutKeys(world)
    const before = [await ada.db.messages.get(one), await ada.db.messages.get(hi)]
    const rows = (await chat(ada)).length
    await ada.app.edit(one, 'one!')
    await ada.app.react(hi, ['👍'])
    await ada.app.pinMessage(one, 3600)
    await until(async () => (await unsent(ada, one)).length === 2 && (await unsent(ada, hi)).length === 1)
    await ada.app.undoChange(one, 'edit')
    await ada.app.undoChange(one, 'pin')
    await ada.app.undoChange(hi, 'reaction')
    await ada.online()
    expect([await ada.db.messages.get(one), await ada.db.messages.get(hi)]).toEqual(before)
    expect(await chat(ada)).toHaveLength(rows)
    expect(await ada.db.changes.where('target').anyOf([one, hi]).toArray()).toEqual([])
    expect(sent(world)).toHaveLength(1)
    expect(await ada.app.search('one')).toEqual([one])
  })

  test('removing a reaction that was not sent tells nobody', async () => {
    const world = new World()
    const { ada, hi } = await withoutKeys(world)
    await ada.app.react(hi, ['👍'])
    await until(async () => (await unsent(ada, hi)).length === 1)
    await ada.app.react(hi, [])
    await ada.online()
    expect(await ada.db.messages.get(hi)).toMatchObject({ reactions: {} })
    expect(await unsent(ada, hi)).toEqual([])
    expect(sent(world)).toHaveLength(1)
  })

  test('a later edit replaces one that was not sent, also in what is kept of earlier versions', async () => {
    const world = new World()
    const { ada, one } = await withoutKeys(world)
    await ada.app.edit(one, 'two')
    await until(async () => (await unsent(ada, one)).length === 1)
    list(world, [77])
    await ada.app.edit(one, 'three')
    await until(() => sent(world).length >= 2)
    await ada.online()
    expect(sent(world)).toHaveLength(2)
    const message = await ada.db.messages.get(one)
    expect(message?.text).toBe('three')
    expect(message?.edits?.map(({ text }) => text)).toEqual(['one'])
    expect(await unsent(ada, one)).toEqual([])
  })

  test('several edits while there is no connection say it once, and the last counts', async () => {
    const world = new World()
    const { ada, one } = await withoutKeys(world)
    ada.cut()
    await ada.app.edit(one, 'two')
    await ada.app.edit(one, 'three')
    ada.join()
    await until(async () => (await unsent(ada, one)).length === 1)
    await ada.online()
    await ada.app.undoChange(one, 'edit')
    expect(await ada.db.messages.get(one)).toMatchObject({ text: 'one' })
    expect((await ada.db.messages.get(one))?.edited).toBeUndefined()
  })

  test('a message that was not sent is edited before it is, and deleted without a trace', async () => {
    const world = new World()
    const ada = await device(world, 'ada')
    await ada.app.send(GUS, 'tpyo')
    await until(async () => (await chat(ada))[0]?.progress === 'failed')
    const key = (await chat(ada))[0]?.key ?? ''
    await ada.app.edit(key, 'typo')
    await until(async () => (await chat(ada))[0]?.progress === 'failed')
    expect(await unsent(ada, key)).toEqual([])
    await ada.app.send(GUS, 'gone')
    await until(async () => (await named(ada, 'gone'))?.progress === 'failed')
    await ada.app.deleteForEveryone((await named(ada, 'gone'))?.key ?? '')
    await ada.app.sendUnencrypted(GUS, true)
    await until(() => sent(world).length === 1)
    await ada.online()
    expect(sent(world)).toHaveLength(1)
    expect(sent(world)[0]).toMatch(/<body[^>]*>typo<\/body>/)
    expect(sent(world)[0]).not.toContain('<replace')
    expect((await chat(ada)).filter(({ kind }) => kind !== 'notice')).toMatchObject([{ text: 'typo' }])
    expect((await ada.db.messages.get(key))?.edited).toBeUndefined()
  })

  test('an edit that waits behind a message that can’t be sent is part of it', async () => {
    const world = new World()
    const ada = await device(world, 'ada')
    ada.cut()
    await ada.app.send(GUS, 'tpyo')
    const key = (await chat(ada))[0]?.key ?? ''
    await ada.app.edit(key, 'typo')
    ada.join()
    await until(async () => (await ada.db.messages.get(key))?.progress === 'failed')
    await ada.online()
    await ada.app.sendUnencrypted(GUS, true)
    await until(() => sent(world).length === 1)
    await ada.online()
    expect(sent(world).map((inner) => /<body[^>]*>(.*?)<\/body>/.exec(inner)?.[1])).toEqual(['typo'])
    expect(await ada.db.messages.get(key)).not.toHaveProperty('edited')
  })
})

describe('when keys appear', () => {
  test('what waited for the decision is sent, encrypted', async () => {
    const world = new World()
    const { ada, one, hi } = await withoutKeys(world)
    await ada.app.send(GUS, 'two')
    await ada.app.edit(one, 'one!')
    await ada.app.react(hi, ['👍'])
    await ada.app.pinMessage(one, 3600)
    await until(async () => (await unsent(ada, one)).length === 2 && (await unsent(ada, hi)).length === 1)
    list(world, [77])
    const items = `<item id='current'><list xmlns='${NS.omemo}'><device id='77'/></list></item>`
    world.give(
      ada,
      `<message xmlns='jabber:client' type='headline' from='${GUS}' to='${ada.address}'><event xmlns='${NS.pubsubEvent}'><items node='${DEVICE_LIST}'>${items}</items></event></message>`
    )
    await until(() => sent(world).length === 5)
    await ada.online()
    expect(sent(world).every((inner) => inner.includes('<encrypted'))).toBe(true)
    expect([...(await unsent(ada, one)), ...(await unsent(ada, hi))]).toEqual([])
    expect(await named(ada, 'two')).toMatchObject({ progress: 'sent', encrypted: true })
  })

  test('what the person has left unsent with "Not now" stays so until they say otherwise', async () => {
    const world = new World()
    const { ada, one } = await withoutKeys(world)
    await ada.app.edit(one, 'one!')
    await until(async () => (await unsent(ada, one)).length === 1)
    await ada.app.sendUnencrypted(GUS, false)
    list(world, [77])
    await ada.app.send(GUS, 'two')
    await until(() => sent(world).length === 2)
    await ada.online()
    expect(await unsent(ada, one)).toEqual(['edit'])
    await ada.app.retryChange(one, 'edit')
    await until(() => sent(world).length === 3)
    await ada.online()
    expect(await unsent(ada, one)).toEqual([])
    expect(await ada.db.messages.get(one)).toMatchObject({ text: 'one!' })
  })
})

describe('a change that comes back', () => {
  const deed: Record<string, (ada: Device, one: string, hi: string) => Promise<void>> = {
    edit: (ada, one) => ada.app.edit(one, 'one!'),
    reaction: (ada, _, hi) => ada.app.react(hi, ['👍']),
    retraction: (ada, one) => ada.app.deleteForEveryone(one),
    pin: (ada, one) => ada.app.pinMessage(one, 3600)
  }
  test.each([
    ['edit', 'service-unavailable', 'cancel', 'refused'],
    ['reaction', 'remote-server-timeout', 'wait', 'unreachable'],
    ['retraction', 'not-acceptable', 'modify', 'refused'],
    ['pin', 'remote-server-not-found', 'cancel', 'unreachable']
  ] as const)('%s: says so, why, and can be sent again', async (kind, condition, type, failure) => {
    const world = new World()
    const { ada, one, hi } = await withoutKeys(world)
    list(world, [77])
    const key = kind === 'reaction' ? hi : one
    await deed[kind]?.(ada, one, hi)
    await until(() => sent(world).length === 2)
    await ada.online()
    expect(await unsent(ada, key)).toEqual([])
    bounce(world, ada, condition, type)
    await until(async () => (await unsent(ada, key)).length === 1)
    expect((await ada.db.messages.get(key))?.unsent).toMatchObject({ [kind]: { failure } })
    await ada.app.retryChange(key, kind)
    await until(() => sent(world).length === 3)
    await ada.online()
    expect(await unsent(ada, key)).toEqual([])
  })

  test('of a message that came back itself, nothing is left to be deleted there', async () => {
    const world = new World()
    const { ada } = await withoutKeys(world)
    list(world, [77])
    await ada.app.send(GUS, 'two')
    await until(() => sent(world).length === 2)
    await ada.online()
    bounce(world, ada, 'service-unavailable')
    await until(async () => (await named(ada, 'two'))?.progress === 'failed')
    const key = (await named(ada, 'two'))?.key ?? ''
    await ada.app.deleteForEveryone(key)
    await until(() => sent(world).length === 3)
    await ada.online()
    bounce(world, ada, 'service-unavailable')
    give(world, ada, '<body>last</body>', 'g9')
    await until(async () => (await named(ada, 'last')) !== undefined)
    expect((await ada.db.messages.get(key))?.kind).toBe('deleted')
    expect(await unsent(ada, key)).toEqual([])
  })

  test('nobody else can say that a change of mine was refused', async () => {
    const world = new World()
    const { ada, one } = await withoutKeys(world)
    list(world, [77])
    await ada.app.edit(one, 'one!')
    await until(() => sent(world).length === 2)
    await ada.online()
    const id = /<origin-id[^>]* id="([^"]*)"/.exec(sent(world).at(-1) ?? '')?.[1]
    world.give(
      ada,
      `<message xmlns='jabber:client' type='error' from='eve@example.org' to='${ada.address}' id='${id}'><error type='cancel'><service-unavailable xmlns='${NS.stanzas}'/></error></message>`
    )
    give(world, ada, '<body>last</body>', 'g9')
    await until(async () => (await named(ada, 'last')) !== undefined)
    expect(await unsent(ada, one)).toEqual([])
  })

  test('a message says whether it was refused or its server can’t be reached', async () => {
    const world = new World()
    const { ada } = await withoutKeys(world)
    list(world, [77])
    await ada.app.send(GUS, 'two')
    await until(() => sent(world).length === 2)
    await ada.online()
    bounce(world, ada, 'remote-server-timeout', 'wait')
    await until(async () => (await named(ada, 'two'))?.progress === 'failed')
    expect((await named(ada, 'two'))?.failure).toBe('unreachable')
  })
})
