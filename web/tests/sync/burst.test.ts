import 'fake-indexeddb/auto'
import { expect, test, vi } from 'vitest'
import { TooLate } from '../../src/local/edits'
import { EnteredTexts } from '../../src/local/entered'
import { addMessage } from '../../src/local/messages'
import { messageKey, orderAt } from '../../src/local/order'
import { Work } from '../../src/local/work'
import { device, Device, turnOffLater, until } from './people'
import { World } from './world'

const NUMBERS = Array.from({ length: 100 }, (_, number) => `number ${number}`)

test('a burst is one transaction, stays in order, and arrives in order', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  ada.cut()
  await until(() => ada.live.connection !== 'online')
  const transactions = vi.spyOn(Work, 'run')
  await Promise.all(NUMBERS.map((text) => ada.app.enter(ben.address, text, {}).stored))
  // One more looks what has to disappear
  expect(transactions.mock.calls.length).toBeLessThanOrEqual(2)
  transactions.mockRestore()
  expect(await ada.texts(ben)).toEqual(NUMBERS)
  ada.join()
  const orders = new Set<string>()
  await until(async () => {
    orders.add((await ada.texts(ben)).join())
    return (await ben.texts(ada)).length === NUMBERS.length && (await ada.db.outgoing.count()) === 0
  })
  expect([...orders]).toEqual([NUMBERS.join()])
  expect(await ben.texts(ada)).toEqual(NUMBERS)
})

test('a text that the page had kept but not stored when it ended is there at the next start, once', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  ada.cut()
  ada.db.messages.hook('creating', () => {
    throw new Error('the page ends here')
  })
  const { kept } = ada.app.enter(ben.address, 'not lost', {})
  expect(kept).toBe(true)
  const left = new EnteredTexts(ada.storage as unknown as Storage, ada.db.name).left()
  expect(left.map(({ text }) => text)).toEqual(['not lost'])
  const next = new Device(world, ada.address)
  turnOffLater(next)
  world.tokens.set(next.agent, 'token')
  const texts = new EnteredTexts(next.storage as unknown as Storage, next.db.name)
  for (const one of [...left, ...left]) texts.keep(one)
  texts.keep({ id: 'draft', chat: ben.address, text: 'half a sent', unsent: true, place: 9e15 })
  await next.open()
  expect(await next.texts(ben)).toEqual(['not lost'])
  expect((await next.db.chats.get(ben.address))?.draft).toBe('half a sent')
  expect(texts.left()).toEqual([])
  await until(async () => (await ben.texts(next)).join() === 'not lost')

  // As after an end between the storing and the tidying up
  for (const one of left) texts.keep(one)
  await next.restart()
  expect(await next.texts(ben)).toEqual(['not lost'])
})

test('where nothing can be kept at once the text is not said to be kept, and is stored all the same', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  ada.storage.full = true
  const { kept, stored } = ada.app.enter(ben.address, 'without a journal', {})
  expect(kept).toBe(false)
  await stored
  expect(await ada.texts(ben)).toEqual(['without a journal'])
})

test('what could not be stored is its writer’s again, and is not sent at the next start', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  const full = () => {
    throw new Error('no room')
  }
  ada.db.messages.hook('creating', full)
  await expect(ada.app.enter(ben.address, 'too much', {}).stored).rejects.toThrow()
  expect(new EnteredTexts(ada.storage as unknown as Storage, ada.db.name).left()).toEqual([])
})

test('a message that was sent clears its own draft, and no newer one', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  const draft = async () => (await ada.db.chats.get(ben.address))?.draft
  await ada.app.draft(ben.address, 'first')
  await ada.app.enter(ben.address, 'first', { draft: 'first' }).stored
  expect(await draft()).toBe('')
  await ada.app.draft(ben.address, 'newer')
  await ada.app.enter(ben.address, 'older', { draft: 'older' }).stored
  expect(await draft()).toBe('newer')
  await ada.app.forward([(await ada.with(ben))[0]?.key ?? ''], [ben.address])
  expect(await draft()).toBe('newer')
})

test('an edit that comes too late is the writer’s again, also if the page was closed meanwhile', async () => {
  const world = new World()
  const ada = await device(world, 'ada')
  const chat = 'ben@example.org'
  const at = Date.now() - 2 * 86_400_000
  const key = messageKey(chat, ada.address, true, 'old')
  const of = { key, chat, at, order: orderAt(at), from: ada.address, mine: true, id: 'old' }
  await Work.run(ada.db, (work) =>
    addMessage(work, ada.address, {
      ...of,
      ...{ kind: 'text', text: 'before', progress: 'read', reactions: {}, encrypted: true }
    })
  )
  await expect(ada.app.edit(key, 'after')).rejects.toThrow(TooLate)
  const left = { id: 'left', chat, text: 'after', edits: key, place: 1 }
  new EnteredTexts(ada.storage as unknown as Storage, ada.db.name).keep(left)
  await ada.restart()
  await until(async () => (await ada.db.chats.get(chat))?.draft === 'after')
  expect((await ada.db.messages.get(key))?.text).toBe('before')
})
