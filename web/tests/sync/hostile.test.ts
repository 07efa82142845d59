/** What strangers and friends with bad intentions send: it harms nothing, and costs nobody else anything. */
import { expect, test } from 'vitest'
import { newContact } from '../../src/local/contact'
import { secondsOf } from '../../src/local/timer'
import { UNHANDLED, type Counted } from '../../src/sync/app'
import { Presences } from '../../src/sync/presence'
import { NS } from '../../src/xmpp/ns'
import { attribute, parse, write } from '../../src/xmpp/xml'
import { type Device, device, until } from './people'
import { World } from './world'

const ADA = 'ada@example.org'
const EVE = 'eve@example.org'

function message(content: string, id: string = crypto.randomUUID(), from = `${EVE}/x`): string {
  return `<message xmlns='jabber:client' type='chat' from='${from}' to='${ADA}' id='${id}'>${content}</message>`
}

/** All that came before has been handled, over the same connection. */
async function handled(world: World, of: Device): Promise<void> {
  const id = crypto.randomUUID()
  world.give(of, message(`<body>${id}</body>`, id, 'last@example.org/x'))
  await until(async () => (await of.db.messages.where('id').equals(id).count()) === 1)
}

const ODD = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', 'isPrototypeOf']

test('names that every object has are ids, addresses, elements and reactions like others', async () => {
  const world = new World()
  const ada = await device(world, 'ada')
  const logins = world.logins.length
  for (const name of ODD) {
    const from = `${name}@example.org/${name}`
    world.give(ada, message(`<body>${name}</body>`, name, from))
    world.give(ada, message(`<composing xmlns='${NS.states}'/>`, '', from))
    world.give(ada, `<presence xmlns='jabber:client' from='${from}'/>`)
    world.give(ada, `<presence xmlns='jabber:client' from='${name}'/>`)
    world.give(ada, `<presence xmlns='jabber:client' type='subscribe' from='${name}@example.org'/>`)
    world.give(
      ada,
      message(
        `<reactions xmlns='${NS.reactions}' id='${name}'>${ODD.map((one) => `<reaction>${one}</reaction>`).join('')}<reaction>👍</reaction></reactions>`,
        `r${name}`,
        from
      )
    )
    world.give(
      ada,
      message(`<${name} xmlns='${name}' ${name}='1'/><body ${name}='2'>more</body>`, `m${name}`, from)
    )
    world.give(
      ada,
      message(
        `<received xmlns='${NS.receipts}' id='${name}'/><displayed xmlns='${NS.markers}' id='${name}'/>`,
        `d${name}`,
        from
      )
    )
    world.give(ada, `<iq xmlns='jabber:client' type='result' id='${name}' from='${from}'/>`)
    world.give(
      ada,
      `<iq xmlns='jabber:client' type='get' id='${name}' from='${from}'><${name} xmlns='${name}'/></iq>`
    )
    world.give(ada, `<${name} xmlns='jabber:client'/>`)
  }
  await handled(world, ada)
  for (const name of ODD) {
    const found = await ada.db.messages.where('id').equals(name).toArray()
    expect(found.map(({ text, reactions }) => [text, Object.entries(reactions)])).toEqual([
      [name, [[`${name}@example.org`, ['👍']]]]
    ])
    expect(await ada.db.messages.where('id').equals(`m${name}`).count()).toBe(1)
    expect(Object.hasOwn(ada.live.present, `${name}@example.org`)).toBe(true)
    expect((await ada.db.contacts.get(`${name}@example.org`))?.asks).toBe(true)
  }
  expect(world.logins).toHaveLength(logins)
  expect(await ada.db.fact<Counted>(UNHANDLED)).toBeUndefined()
})

test('what is too deep is told and set aside, live and while the archive is read', async () => {
  const world = new World()
  const ada = await device(world, 'ada')
  const logins = world.logins.length
  const deep = message('<a>'.repeat(20_000) + '</a>'.repeat(20_000))
  world.give(ada, deep)
  await handled(world, ada)
  expect((await ada.db.fact<Counted>(UNHANDLED))?.count).toBeGreaterThan(0)
  ada.cut()
  world.take(`${EVE}/x`, parse(message('<body>before</body>', 'before')))
  const bad = { id: world.nextId(), from: `${EVE}/x`, to: ADA, inner: '', type: 'chat' }
  world.log.push({ ...bad, stanza: deep.replace('</message>', '') })
  world.take(`${EVE}/x`, parse(message('<body>behind</body>', 'behind')))
  ada.join()
  await ada.online()
  await handled(world, ada)
  const texts = (await ada.db.messages.toArray()).filter(({ chat }) => chat === EVE).map(({ text }) => text)
  expect(texts.sort()).toEqual(['before', 'behind'])
  expect(world.logins.length - logins).toBeLessThanOrEqual(1)
})

test('a timer is a number of seconds that can be counted with, or says nothing', async () => {
  expect(['5', '0', ' 60 ', '007'].map(secondsOf)).toEqual([5, 0, 60, 7])
  const bad = ['', '-1', '-0', '1e9', '0x10', '5s', 'NaN', 'Infinity', '1.5', '٥', '5 5', '+5']
  for (const text of bad) expect([text, secondsOf(text)]).toEqual([text, -1])
  expect(secondsOf('9'.repeat(500))).toBe(315_360_000)
  const world = new World()
  const ada = await device(world, 'ada')
  await ada.db.contacts.put({ ...newContact(EVE), inRoster: true })
  const timer = (value: string, id: string, body = '') =>
    message(`${body}<ephemeral xmlns='${NS.ephemeral}' timer='${value}'/>`, id)
  world.give(ada, timer('60', 'first'))
  for (const [at, value] of bad.entries()) world.give(ada, timer(value, `bad${at}`))
  world.give(ada, timer('9'.repeat(500), 'huge', '<body>stays long</body>'))
  world.give(ada, timer('-5', 'negative', '<body>stays</body>'))
  await handled(world, ada)
  expect((await ada.db.chats.get(EVE))?.disappears).toBe(60)
  world.give(ada, timer('9'.repeat(500), 'for ever'))
  await handled(world, ada)
  const [huge, negative] = await ada.db.messages.where('id').anyOf('huge', 'negative').toArray()
  expect(Number.isSafeInteger(huge?.expires)).toBe(true)
  expect(negative?.expires).toBeUndefined()
  await ada.app.send(EVE, 'mine')
  const mine = (await ada.db.messages.toArray()).find(({ text }) => text === 'mine')
  expect(new Date(mine?.expires ?? NaN).getTime()).toBeGreaterThan(Date.now())
})

test('nobody is told of a message that was taken back, or with words that were changed, before it came', async () => {
  const world = new World()
  const ada = await device(world, 'ada')
  const told: string[] = []
  ada.app.onNews(({ text }) => void told.push(text))
  world.give(ada, message(`<retract xmlns='${NS.retract}' id='gone'/>`))
  world.give(ada, message(`<replace xmlns='${NS.correct}' id='changed'/><body>better</body>`, 'c'))
  await until(async () => (await ada.db.messages.where('id').equals('changed').count()) === 1)
  world.give(ada, message('<body>never said</body>', 'gone'))
  world.give(ada, message('<body>worse</body>', 'changed'))
  await handled(world, ada)
  await until(() => told.length >= 2)
  expect(told.slice(0, -1).every((text) => text === 'better')).toBe(true)
  expect(told.join()).not.toMatch(/never said|worse/)
})

test('whoever says that they are there with any number of devices takes no room for them', () => {
  const presences = new Presences()
  const presence = (from: string, type = '') =>
    presences.take(parse(`<presence xmlns='jabber:client' from='${from}'${type && ` type='${type}'`}/>`))
  for (let at = 0; at < 64; at++) expect(presence(`${EVE}/${at}`)?.there).toBe('online')
  expect(presence(`${EVE}/more`)).toBeUndefined()
  for (let at = 0; at < 64; at++) presence(`${EVE}/${at}`, 'unavailable')
  expect(presences.all()).toEqual({})
  for (let at = 0; at < 11_000; at++) presence(`${at}@evil.example/x`)
  expect(Object.keys(presences.all()).length).toBeLessThanOrEqual(10_000)
  // Who goes gives their place to the next
  presence('1@evil.example/x', 'unavailable')
  expect(presence(`${EVE}/x`)?.there).toBe('online')
})

test('a stranger’s server is asked for nothing before they are let in, and then for their profile', async () => {
  const world = new World()
  const ada = await device(world, 'ada')
  const eve = 'eve@elsewhere.example'
  const asked: string[] = []
  const request = world.request.bind(world)
  world.request = (session, iq) => {
    if (attribute(iq, 'to').endsWith('elsewhere.example')) asked.push(write(iq))
    request(session, iq)
  }
  world.give(ada, message('<body>hello</body>', 'e1', `${eve}/x`))
  await handled(world, ada)
  await ada.online()
  expect(asked).toEqual([])
  await ada.app.acceptContact(eve)
  await until(() => asked.some((iq) => iq.includes('protocol/nick')))
})

test('another server is a stranger, and gets neither the words nor the rights of mine', async () => {
  const world = new World()
  const ada = await device(world, 'ada')
  for (const from of ['kith.example', 'example.org.evil', 'rg']) {
    world.give(
      ada,
      message(
        '<body>Your account will be closed</body><request xmlns="urn:xmpp:receipts"/>',
        `s${from}`,
        from
      )
    )
    world.give(ada, message(`<ephemeral xmlns='${NS.ephemeral}' timer='5'/>`, `t${from}`, from))
  }
  await handled(world, ada)
  const { isStranger } = await import('../../src/chat/requests')
  for (const chat of ['kith.example', 'example.org.evil', 'rg']) {
    const messages = (await ada.db.messages.toArray()).filter((one) => one.chat === chat)
    expect(messages).toHaveLength(1)
    expect(isStranger(ADA, chat, await ada.db.contacts.get(chat), messages, false)).toBe(true)
    expect((await ada.db.chats.get(chat))?.disappears).toBe(0)
    await ada.app.read(chat, messages[0]?.key ?? '')
  }
  expect(await ada.db.outgoing.count()).toBe(0)
  world.give(ada, message('<body>A new device</body>', 'own', 'example.org'))
  await handled(world, ada)
  const own = (await ada.db.messages.toArray()).filter((one) => one.chat === 'example.org')
  expect(isStranger(ADA, 'example.org', undefined, own, false)).toBe(false)
})
