/** Who says something is asked before it is believed. */
import { expect, test } from 'vitest'
import { newContact } from '../../src/local/contact'
import { DEVICE_LIST } from '../../src/sync/keys'
import { NS } from '../../src/xmpp/ns'
import { type Device, device, until } from './people'
import { World } from './world'

const EVE = 'eve@example.org'
const ADA = 'ada@example.org'
const FRIEND = 'ben@example.org'

function message(from: string, content: string, more = ''): string {
  return `<message xmlns='jabber:client' type='chat' from='${from}' to='${ADA}' ${more}>${content}</message>`
}

function forwarded(from: string, to: string, content: string): string {
  return (
    `<forwarded xmlns='${NS.forward}'><message xmlns='jabber:client' type='chat' id='inner' from='${from}' to='${to}'>` +
    `${content}</message></forwarded>`
  )
}

function event(node: string, payload: string): string {
  return `<event xmlns='${NS.pubsubEvent}'><items node='${node}'><item id='current'>${payload}</item></items></event>`
}

const nick = (name: string) => event(NS.nick, `<nick xmlns='${NS.nick}'>${name}</nick>`)
const list = event(DEVICE_LIST, `<list xmlns='${NS.omemo}'><device id='666'/></list>`)

/** All that came before has been handled. */
async function handled(world: World, of: Device): Promise<void> {
  const id = crypto.randomUUID()
  world.give(of, message('last@example.org', `<body>${id}</body>`, `id='${id}'`))
  await until(async () => (await of.db.messages.where('id').equals(id).count()) === 1)
}

test('a copy is believed from the own account alone, and shows only what is by or to it', async () => {
  const world = new World()
  const ada = await device(world, 'ada')
  const mine = `<sent xmlns='${NS.carbons}'>${forwarded(`${ADA}/x`, FRIEND, '<body>mine</body>')}</sent>`
  const theirs = `<received xmlns='${NS.carbons}'>${forwarded(`${FRIEND}/x`, ADA, '<body>theirs</body>')}</received>`
  for (const from of [`${EVE}/x`, EVE, `${ADA}/elsewhere`, `${ADA}.evil`, 'example.org']) {
    world.give(ada, message(from, mine))
    world.give(ada, message(from, theirs))
  }
  const notMine = `<sent xmlns='${NS.carbons}'>${forwarded(`${FRIEND}/x`, ADA, '<body>not mine</body>')}</sent>`
  const notTo = `<received xmlns='${NS.carbons}'>${forwarded(`${FRIEND}/x`, EVE, '<body>not to me</body>')}</received>`
  world.give(ada, message(ADA, notMine))
  world.give(ada, message(ADA, notTo))
  // A copy in a copy is none
  world.give(ada, message(ADA, `<sent xmlns='${NS.carbons}'>${forwarded(`${ADA}/x`, FRIEND, theirs)}</sent>`))
  await handled(world, ada)
  expect(await ada.db.messages.where('id').equals('inner').count()).toBe(0)
  world.give(ada, message(ADA, mine))
  await handled(world, ada)
  expect((await ada.db.messages.where('id').equals('inner').toArray()).map(({ text }) => text)).toEqual([
    'mine'
  ])
})

test('what only claims to be a copy, an event or a result is a message of its sender, as it is in the archive', async () => {
  const world = new World()
  const ada = await device(world, 'ada')
  const fake = [
    `<sent xmlns='${NS.carbons}'>${forwarded(`${ADA}/x`, FRIEND, '<body>mine</body>')}</sent>`,
    `<result xmlns='${NS.mam}' id='0000000000000001' queryid='x'>${forwarded(FRIEND, ADA, '<body>past</body>')}</result>`,
    nick('Ada')
  ]
  for (const [place, one] of fake.entries()) {
    world.give(ada, message(`${EVE}/x`, `<body>seen ${place}</body>${one}`, `id='f${place}'`))
  }
  await handled(world, ada)
  const texts = (await ada.db.messages.toArray()).filter(({ from }) => from === EVE).map(({ text }) => text)
  expect(texts.sort()).toEqual(['seen 0', 'seen 1', 'seen 2'])
})

test('an event counts from the account whose node it is, never out of a copy, a forward or a bounce', async () => {
  const world = new World()
  const ada = await device(world, 'ada')
  const heard: [string, number[]][] = []
  ada.sealed.devicesChanged = async (...given: unknown[]) => void heard.push(given as [string, number[]])
  await ada.db.contacts.put({ ...(await contact(ada, FRIEND)), nick: 'Ben' })
  for (const content of [nick('Forged'), list]) {
    world.give(ada, message(ADA, `<sent xmlns='${NS.carbons}'>${forwarded(ADA, FRIEND, content)}</sent>`))
    world.give(
      ada,
      message(ADA, `<received xmlns='${NS.carbons}'>${forwarded(FRIEND, ADA, content)}</received>`)
    )
    world.give(ada, message(`${EVE}/x`, forwarded(ADA, FRIEND, content)))
    world.give(ada, message(`${FRIEND}/x`, content))
    world.give(ada, message(`${ADA}/elsewhere`, content))
    world.give(ada, message(FRIEND, content).replace("type='chat'", "type='error'"))
    world.give(ada, message('unknown@example.org', content))
  }
  await handled(world, ada)
  expect(heard).toEqual([])
  expect((await ada.db.contacts.get(FRIEND))?.nick).toBe('Ben')
  expect((await ada.db.contacts.get(ADA))?.nick ?? '').toBe('')
  expect(await ada.db.contacts.get('unknown@example.org')).toBeUndefined()
  world.give(ada, message(FRIEND, list))
  world.give(ada, message(FRIEND, nick('Benjamin')))
  await handled(world, ada)
  expect(heard).toEqual([[FRIEND, [666]]])
  await until(async () => (await ada.db.contacts.get(FRIEND))?.nick === 'Benjamin')
})

test('settings of chats, how far was read and pushes are taken from the own account alone', async () => {
  const world = new World()
  const ada = await device(world, 'ada')
  const chats = event(NS.kithChats, `<chat xmlns='${NS.kithChats}' muted='forever'/>`).replace(
    'current',
    FRIEND
  )
  const push = (payload: string, from: string) =>
    `<iq xmlns='jabber:client' type='set' id='p' from='${from}' to='${ADA}/x'>${payload}</iq>`
  const roster = `<query xmlns='${NS.roster}'><item jid='${EVE}' name='Kith' subscription='both'/></query>`
  const block = `<block xmlns='${NS.blocking}'><item jid='${FRIEND}'/></block>`
  await ada.db.contacts.put(await contact(ada, EVE))
  for (const from of [EVE, `${EVE}/x`, `${ADA}/elsewhere`, 'example.org', `${ADA}.evil`]) {
    world.give(ada, message(from, chats))
    world.give(ada, push(roster, from))
    world.give(ada, push(block, from))
  }
  await handled(world, ada)
  expect((await ada.db.chats.get(FRIEND))?.mutedUntil ?? 0).toBe(0)
  expect((await ada.db.contacts.get(EVE))?.inRoster).toBe(false)
  expect((await ada.db.contacts.get(FRIEND))?.blocked ?? false).toBe(false)
  world.give(ada, message(ADA, chats))
  world.give(ada, push(roster, ADA))
  world.give(ada, push(block, ''))
  await handled(world, ada)
  await until(async () => (await ada.db.chats.get(FRIEND))?.mutedUntil === Infinity)
  expect((await ada.db.contacts.get(EVE))?.inRoster).toBe(true)
  expect((await ada.db.contacts.get(FRIEND))?.blocked).toBe(true)
})

test('an answer counts from whom was asked, a result of the archive for what was asked', async () => {
  const world = new World()
  const ada = await device(world, 'ada')
  const request = world.request.bind(world)
  world.request = (session, iq) => {
    const id = iq.attributes.get('id') ?? ''
    const forged = `<query xmlns='${NS.roster}'><item jid='${EVE}' subscription='both'/></query>`
    for (const from of [EVE, `${EVE}/x`, `${ADA}/elsewhere`, 'example.org']) {
      world.push(session, `<iq xmlns='jabber:client' type='result' id='${id}' from='${from}'>${forged}</iq>`)
    }
    request(session, iq)
  }
  const past = forwarded(EVE, ADA, '<body>never written</body>')
  for (const from of [ADA, '', EVE, `${ADA}/elsewhere`]) {
    world.give(
      ada,
      message(from, `<result xmlns='${NS.mam}' id='0000000000000001' queryid='unasked'>${past}</result>`)
    )
  }
  world.restart(true)
  ada.join()
  await until(() => world.logins.length === 2)
  await ada.online()
  await handled(world, ada)
  expect((await ada.db.contacts.get(EVE))?.inRoster ?? false).toBe(false)
  expect(await ada.db.messages.where('id').equals('inner').count()).toBe(0)
})

test('who may not see whether I am there is not told by an answer either', async () => {
  const world = new World()
  const ada = await device(world, 'ada')
  const answers = new Map<string, string>()
  world.answered = (iq) => answers.set(iq.attributes.get('to') ?? '', iq.attributes.get('type') ?? '')
  await ada.db.contacts.put({ ...(await contact(ada, FRIEND)), subscription: 'from' })
  for (const from of [`${EVE}/x`, `${FRIEND}/x`, 'example.org']) {
    for (const ask of [`<ping xmlns='${NS.ping}'/>`, `<query xmlns='${NS.disco}'/>`]) {
      world.give(ada, `<iq xmlns='jabber:client' type='get' id='q' from='${from}' to='${ADA}/x'>${ask}</iq>`)
      await until(() => answers.has(from))
      expect([from, answers.get(from)]).toEqual([from, from.startsWith(EVE) ? 'error' : 'result'])
      answers.clear()
    }
  }
})

async function contact(of: Device, address: string) {
  return (await of.db.contacts.get(address)) ?? newContact(address)
}

test('an announcement is one only from the own server, and is gone when the server withdraws it', async () => {
  const world = new World()
  const ada = await device(world, 'ada')
  const mark = `<announcement xmlns='${NS.kithAnnouncement}' expires='2030-01-01T00:00:00Z'/>`
  for (const from of ['example.org', EVE, 'example.net', 'rooms.example.org'])
    world.give(ada, message(from, `<body>The server moves</body>${mark}`, `id='from ${from}'`))
  world.give(ada, message('example.org', '<body>A new device</body>', `id='notice'`))
  await handled(world, ada)
  const found = await ada.db.messages.toArray()
  expect(found.filter(({ announcement }) => announcement).map(({ id }) => id)).toEqual(['from example.org'])
  const retract = `<retract xmlns='${NS.retract}' id='from example.org'/><body>Withdrawn</body>`
  world.give(ada, message(EVE, retract, `id='not hers'`))
  await handled(world, ada)
  const kinds = async () =>
    (await ada.db.messages.where('id').equals('from example.org').toArray()).map(({ kind }) => kind)
  expect(await kinds()).toEqual(['text'])
  world.give(ada, message('example.org', retract, `id='withdrawn'`))
  await handled(world, ada)
  expect(await kinds()).toEqual(['deleted'])
})
