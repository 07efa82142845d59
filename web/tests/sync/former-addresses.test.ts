/** A number that was changed, and what was written to the former one. */
import { expect, test } from 'vitest'
import { asNow } from '../../src/xmpp/archived'
import { read } from '../../src/xmpp/received'
import { parse } from '../../src/xmpp/xml'
import { device, Device, turnOffLater, until } from './people'
import { World } from './world'

test('a device that was away while the number changed goes on with all that it has', async () => {
  const world = new World()
  const ada = new Device(world, 'ada@example.org')
  turnOffLater(ada)
  let answers = 0
  let movedTo = ''
  ada.deps = {
    // the server can't be reached at first, which is no answer
    whereabouts: async () => {
      answers += 1
      if (answers < 2) throw new Error('offline')
      return 'eve@example.org'
    },
    moved: (address) => (movedTo = address)
  }
  world.tokens.set(ada.agent, 'token')
  await ada.open()
  await ada.online()
  const ben = await device(world, 'ben')
  await ada.app.send(ben.address, 'before')
  await until(async () => (await ben.texts(ada)).length === 1)
  await ada.online()
  world.tokens.delete(ada.agent)
  world.restart(true)
  ada.join()
  await until(() => movedTo !== '')
  expect(ada.live.connection).not.toBe('logged-out')
  expect(await ada.db.keys.count()).toBeGreaterThan(0)
  expect(await ada.db.fact('credential')).toMatchObject({ address: 'eve@example.org' })
  expect((await ada.with(ben)).map(({ text, from }) => [text, from])).toEqual([['before', 'eve@example.org']])
})

test('what the archive has of older addresses is mine, and what I and their next owners write to each other is not', () => {
  const [first, old, me, ben] = ['1st@example.org', 'old@example.org', 'me@example.org', 'ben@example.org']
  const seen = (from: string, to: string) => {
    const stanza = parse(
      `<message xmlns='jabber:client' from='${from}/x' to='${to}' id='1'><body>b</body></message>`
    )
    const came = read(asNow(stanza, me, new Set([first, old])), me, '', 0)
    return [came?.mine, came?.chat, came?.from]
  }
  for (const then of [first, old]) {
    expect(seen(then, ben)).toEqual([true, ben, me])
    expect(seen(ben, then)).toEqual([false, ben, ben])
    expect(seen(then, then)).toEqual([true, me, me])
    // The next owner
    expect(seen(then, me)).toEqual([false, then, then])
    expect(seen(me, then)).toEqual([true, then, me])
  }
  // Of the first number, when the second was mine
  expect(seen(first, old)).toEqual([false, first, first])
  expect(seen(old, first)).toEqual([true, first, me])
})
