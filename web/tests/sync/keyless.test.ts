/** People whose app has no encryption keys. */
import { describe, expect, test } from 'vitest'
import { openCrypto } from '../../src/crypto/open'
import type { Message } from '../../src/local/types'
import { DEVICE_LIST } from '../../src/sync/keys'
import { NS } from '../../src/xmpp/ns'
import { parse } from '../../src/xmpp/xml'
import { device, Device, turnOffLater, until } from './people'
import { World } from './world'

const GUS = 'gus@example.org'

/** What ada has sent to Gus. */
const sent = (world: World) => world.log.filter(({ to }) => to === GUS).map(({ inner }) => inner)
const bodies = (world: World) => sent(world).map((inner) => /<body[^>]*>(.*?)<\/body>/s.exec(inner)?.[1])

async function chat(ada: Device): Promise<Message[]> {
  return ada.db.messages.where('[chat+at+order]').between([GUS, -Infinity, ''], [GUS, Infinity, '']).toArray()
}

const texts = async (ada: Device) => (await chat(ada)).map(({ text }) => text)

async function failed(ada: Device, count: number): Promise<void> {
  await until(async () => (await chat(ada)).filter(({ progress }) => progress === 'failed').length === count)
}

const keyless = async (ada: Device) => (await ada.db.chats.get(GUS))?.keyless

function list(world: World, ids: number[]): void {
  const devices = ids.map((id) => `<device id='${id}'/>`).join('')
  world.nodes.set(
    `${GUS} ${DEVICE_LIST}`,
    new Map([['current', `<list xmlns='${NS.omemo}'>${devices}</list>`]])
  )
}

/** Gus' server tells of his devices, as it does of contacts'. */
function tell(world: World, to: Device): void {
  const items = [...(world.nodes.get(`${GUS} ${DEVICE_LIST}`) ?? [])]
    .map(([id, xml]) => `<item id='${id}'>${xml}</item>`)
    .join('')
  world.give(
    to,
    `<message xmlns='jabber:client' type='headline' from='${GUS}' to='${to.address}'><event xmlns='${NS.pubsubEvent}'><items node='${DEVICE_LIST}'>${items}</items></event></message>`
  )
}

async function agreed(world: World): Promise<Device> {
  world.friends.push(GUS)
  const ada = await device(world, 'ada')
  await ada.app.send(GUS, 'one')
  await failed(ada, 1)
  await ada.app.sendUnencrypted(GUS, true)
  await until(() => sent(world).length === 1)
  await ada.online()
  return ada
}

describe('who has no keys', () => {
  test('gets nothing unencrypted before the person agrees', async () => {
    const world = new World()
    const ada = await device(world, 'ada')
    await ada.app.send(GUS, 'one')
    await ada.app.send(GUS, 'two')
    await failed(ada, 2)
    expect(sent(world)).toEqual([])
    expect(await keyless(ada)).toMatchObject({ agreed: false, before: false })
    // Not now: nothing is sent, and the next message asks again
    await ada.app.sendUnencrypted(GUS, false)
    expect(await keyless(ada)).toBeUndefined()
    await ada.online()
    expect(sent(world)).toEqual([])
    await ada.app.send(GUS, 'three')
    await failed(ada, 3)
    expect(await keyless(ada)).toMatchObject({ agreed: false })
  })

  test('is asked for once, gets what waited, and the chat says so from then on', async () => {
    const world = new World()
    const ada = await device(world, 'ada')
    await ada.app.send(GUS, 'one')
    await ada.app.send(GUS, 'two')
    await failed(ada, 2)
    await ada.app.sendUnencrypted(GUS, true)
    await until(() => sent(world).length === 2)
    await ada.app.send(GUS, 'three')
    await until(() => sent(world).length === 3)
    await ada.online()
    expect(bodies(world)).toEqual(['one', 'two', 'three'])
    expect(sent(world).join('')).not.toMatch(/OMEMO|<encrypted/)
    expect(await keyless(ada)).toMatchObject({ agreed: true })
    const all = await chat(ada)
    expect(all.map(({ kind, text }) => (kind === 'notice' ? `(${text})` : text))).toEqual([
      '(unencrypted)',
      'one',
      'two',
      'three'
    ])
    // Each says by itself that it was not encrypted
    for (const { kind, encrypted, progress } of all)
      if (kind === 'text') expect([encrypted, progress]).toEqual([false, 'sent'])
  })

  test('gets edits, answers and reactions in the form that other apps know', async () => {
    const world = new World()
    const ada = await agreed(world)
    const [, one] = await chat(ada)
    await ada.app.edit(one?.key ?? '', 'one!')
    world.take(
      `${GUS}/x`,
      parse(
        `<message xmlns='jabber:client' to='${ada.address}' type='chat' id='g1'><body>hi</body></message>`
      )
    )
    await until(async () => (await texts(ada)).includes('hi'))
    const hi = (await chat(ada)).find(({ text }) => text === 'hi')
    await ada.app.react(hi?.key ?? '', ['👍'])
    await ada.app.send(GUS, 'hello', { reply: { id: 'g1', from: GUS, text: 'hi' } })
    await until(() => sent(world).length === 4)
    const [, edit, reaction, answer] = sent(world)
    expect(edit).toContain(`<replace xmlns="${NS.correct}" id="${one?.id}"`)
    expect(edit).toMatch(/<body[^>]*>one!<\/body>/)
    expect(reaction).toContain(
      `<reactions xmlns="${NS.reactions}" id="g1"><reaction>👍</reaction></reactions>`
    )
    expect(reaction).not.toMatch(/<body|kith:reaction/)
    expect(answer).toMatch(/<body[^>]*>&gt; hi.*hello<\/body>/s)
    expect(answer).toContain(`<reply xmlns="${NS.reply}" id="g1"`)
  })

  test('is not asked about as long as it is unknown whether there are keys', async () => {
    const world = new World()
    const ada = await device(world, 'ada')
    const request = world.request.bind(world)
    let asked = 0
    world.request = (session, iq) => {
      const xml = JSON.stringify([...iq.attributes])
      if (!xml.includes(GUS)) return request(session, iq)
      asked += 1
      const id = iq.attributes.get('id') ?? ''
      world.push(
        session,
        `<iq xmlns='jabber:client' type='error' from='${GUS}' id='${id}'><error type='wait'><remote-server-timeout xmlns='${NS.stanzas}'/></error></iq>`
      )
    }
    await ada.app.send(GUS, 'one')
    await until(() => asked > 0)
    await new Promise((done) => setTimeout(done, 100))
    expect((await chat(ada))[0]?.progress).toBe('waiting')
    expect(await keyless(ada)).toBeUndefined()
    expect(sent(world)).toEqual([])
  })
})

describe('when there are keys', () => {
  test('the next message is encrypted, and the chat says so', async () => {
    const world = new World()
    const ada = await agreed(world)
    list(world, [77])
    await ada.app.send(GUS, 'two')
    await until(() => sent(world).length === 2)
    await ada.online()
    expect(sent(world)[1]).toContain('<encrypted')
    expect(bodies(world)[1]).toContain('OMEMO')
    expect(await keyless(ada)).toBeUndefined()
    expect(await texts(ada)).toEqual(['unencrypted', 'one', 'encrypted-again', 'two'])
    expect((await chat(ada)).at(-1)?.encrypted).toBe(true)
  })

  test.each(['their device list', 'an encrypted message of theirs'])(
    'the chat says so at once, by %s',
    async (by) => {
      const world = new World()
      const ada = await agreed(world)
      if (by === 'their device list') {
        list(world, [77])
        tell(world, ada)
      } else {
        const own = await ada.sealed.device()
        const keys = `<header sid='77'><key rid='${own}'>AAAA</key><iv>AAAA</iv></header><payload>aGk=</payload>`
        world.take(
          `${GUS}/x`,
          parse(
            `<message xmlns='jabber:client' to='${ada.address}' type='chat' id='g'><encrypted xmlns='${NS.omemo}'>${keys}</encrypted></message>`
          )
        )
      }
      await until(async () => (await keyless(ada)) === undefined)
      expect(await texts(ada)).toContain('encrypted-again')
    }
  )

  test('at the moment in which the person agrees, what waited goes encrypted', async () => {
    const world = new World()
    const ada = await device(world, 'ada')
    await ada.app.send(GUS, 'one')
    await failed(ada, 1)
    list(world, [77])
    await ada.app.sendUnencrypted(GUS, true)
    await until(() => sent(world).length === 1)
    await ada.online()
    expect(sent(world)[0]).toContain('<encrypted')
    expect(await keyless(ada)).toBeUndefined()
    expect(await texts(ada)).toEqual(['one'])
  })

  test('and they are gone again, nothing is sent unencrypted on the old word', async () => {
    const world = new World()
    const ada = await agreed(world)
    list(world, [77])
    await ada.app.send(GUS, 'secret')
    await until(() => sent(world).length === 2)
    list(world, [])
    await ada.app.send(GUS, 'more')
    await failed(ada, 1)
    expect(sent(world)).toHaveLength(2)
    expect(await keyless(ada)).toMatchObject({ agreed: false, before: true })
  })
})

test('who has written encrypted is known to have had keys, also on a device that never saw them', async () => {
  const world = new World()
  const ada = await device(world, 'ada')
  await ada.app.mergeRecords([
    {
      type: 'message',
      v: 1,
      chat: GUS,
      id: 'old',
      mine: false,
      order: '0019a00000000001',
      kind: 'text',
      text: 'hi',
      progress: 'read',
      encrypted: true
    }
  ])
  expect(await ada.db.messages.where('id').equals('old').count()).toBe(1)
  await ada.app.send(GUS, 'one')
  await failed(ada, 1)
  expect(await keyless(ada)).toMatchObject({ agreed: false, before: true })
})

test('with the encryption that people have: keys that vanish are no reason to send unencrypted', async () => {
  const world = new World()
  world.friends.push(GUS)
  const open = async (name: string) => {
    const one = new Device(world, `${name}@example.org`)
    turnOffLater(one)
    one.deps = { crypto: openCrypto }
    world.tokens.set(one.agent, 'token')
    await one.open()
    await one.online()
    return one
  }
  const [ada, gus] = [await open('ada'), await open('gus')]
  await ada.app.send(GUS, 'secret')
  await until(async () => (await gus.texts(ada)).includes('secret'))
  // His server takes the list away
  world.nodes.delete(`${GUS} ${DEVICE_LIST}`)
  world.give(
    ada,
    `<message xmlns='jabber:client' type='headline' from='${GUS}' to='${ada.address}'><event xmlns='${NS.pubsubEvent}'><items node='${DEVICE_LIST}'><item id='current'><list xmlns='${NS.omemo}'/></item></items></event></message>`
  )
  await ada.app.send(GUS, 'more')
  await failed(ada, 1)
  expect(bodies(world).some((body) => body === 'more')).toBe(false)
  expect(await keyless(ada)).toMatchObject({ agreed: false, before: true })
  // If the person insists, it goes; as soon as the keys are there again, no more
  await ada.app.sendUnencrypted(GUS, true)
  await until(() => bodies(world).includes('more'))
  list(world, [await gus.app.fingerprints(GUS).then(([one]) => one?.device ?? 0)])
  tell(world, ada)
  await until(async () => (await keyless(ada)) === undefined)
  await ada.app.send(GUS, 'again secret')
  await until(async () => (await gus.texts(ada)).includes('again secret'))
  expect(bodies(world)).not.toContain('again secret')
})
