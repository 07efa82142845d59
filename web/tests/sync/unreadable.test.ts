/** Messages in an encryption that this app doesn't have. */
import { expect, test } from 'vitest'
import type { Message } from '../../src/local/types'
import { NS } from '../../src/xmpp/ns'
import { parse } from '../../src/xmpp/xml'
import { device, Device, until } from './people'
import { World } from './world'

const GUS = 'gus@example.org'
const pgp = "<x xmlns='jabber:x:encrypted'>hQEMA</x>"
const give = (world: World, to: Device, content: string, id: string = crypto.randomUUID()) => {
  world.take(
    `${GUS}/x`,
    parse(`<message xmlns='jabber:client' to='${to.address}' type='chat' id='${id}'>${content}</message>`)
  )
}

/** What ada has sent to Gus. */
const sent = (world: World) => world.log.filter(({ to }) => to === GUS).map(({ inner }) => inner)

async function chat(ada: Device): Promise<Message[]> {
  return ada.db.messages.where('[chat+at+order]').between([GUS, -Infinity, ''], [GUS, Infinity, '']).toArray()
}

const texts = async (ada: Device) => (await chat(ada)).map(({ text }) => text)

test('a message in another encryption is shown, counted as unread and told of; no receipt says that it arrived', async () => {
  const world = new World()
  const ada = await device(world, 'ada')
  await ada.db.contacts.put({
    ...{ address: GUS, name: 'Gus', nick: '', about: '', picture: '', subscription: 'both' },
    ...{ asked: false, asks: false, inRoster: true, blocked: false }
  })
  const news: string[] = []
  ada.app.onNews(({ chat, text }) => news.push(`${chat} ${text}`))
  give(world, ada, `${pgp}<request xmlns='${NS.receipts}'/>`, 'p1')
  await until(async () => (await chat(ada)).length === 1)
  expect((await chat(ada))[0]).toMatchObject({ kind: 'unreadable', method: 'PGP', text: '' })
  expect((await ada.db.chats.get(GUS))?.unread).toBe(1)
  await until(() => news.length === 1)
  expect(news).toEqual([`${GUS} `])
  await ada.online()
  expect(sent(world)).toEqual([])
})

test('it is no timer of the chat, and its correction is not a second one', async () => {
  const world = new World()
  const ada = await device(world, 'ada')
  await ada.app.acceptContact(GUS)
  give(world, ada, `${pgp}<ephemeral xmlns='${NS.ephemeral}' timer='60'/>`, 'p1')
  give(world, ada, `${pgp}<replace xmlns='${NS.correct}' id='p1'/>`, 'p2')
  give(world, ada, '<body>last</body>')
  await until(async () => (await texts(ada)).includes('last'))
  expect((await chat(ada)).map(({ kind }) => kind)).toEqual(['unreadable', 'text'])
  expect((await ada.db.chats.get(GUS))?.disappears).toBe(0)
})

test('one that corrects a text is a row of its own, and changes nothing of the text', async () => {
  const world = new World()
  const ada = await device(world, 'ada')
  give(world, ada, '<body>first</body>', 't1')
  give(world, ada, `${pgp}<body>fallback</body><replace xmlns='${NS.correct}' id='t1'/>`, 't2')
  await until(async () => (await chat(ada)).length === 2)
  expect((await chat(ada)).map(({ kind, text }) => [kind, text])).toEqual([
    ['text', 'first'],
    ['unreadable', '']
  ])
})

test('it is there once, whether it came live or from the archive', async () => {
  const world = new World()
  const [ada, second] = [await device(world, 'ada'), await device(world, 'ada')]
  second.cut()
  give(world, ada, pgp, 'p1')
  give(world, ada, '<body>last</body>')
  await until(async () => (await texts(ada)).includes('last'))
  second.join()
  await until(async () => (await texts(second)).includes('last'))
  for (const one of [ada, second])
    expect((await chat(one)).map(({ kind }) => kind)).toEqual(['unreadable', 'text'])
})
