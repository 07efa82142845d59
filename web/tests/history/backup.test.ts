/** What comes back from a backup, on a new device and beside what is there. */
import { describe, expect, it } from 'vitest'
import { backup } from '../../src/history/backup'
import { addChange, changeKey } from '../../src/local/changes'
import { addMessage } from '../../src/local/messages'
import { ofChat, pinned } from '../../src/local/queries'
import { addAlias } from '../../src/local/aliases'
import { newChat } from '../../src/local/chat'
import { FORMER } from '../../src/local/address-change'
import { messageKey, orderAt, timeOf, twinKey } from '../../src/local/order'
import type { Message } from '../../src/local/types'
import { Work } from '../../src/local/work'
import { NS } from '../../src/xmpp/ns'
import { parse } from '../../src/xmpp/xml'
import { Device, until, turnOff, turnOffLater } from '../sync/people'
import { World } from '../sync/world'
import { BEN, ME, WORDS, device, failed, message, nothing, raw, saved, write } from './backups'

describe('a backup', () => {
  it('brings everything back on a new device, and tells how far it is', async () => {
    const old = await device()
    await write(
      old,
      Array.from({ length: 700 }, (_, n) => message(n, n === 5 ? { starred: 1 } : {}))
    )
    await old.app.pin(BEN, true)
    const file = await saved(old)
    const fresh = await device()
    const told: number[] = []
    const result = await fresh.app.restore(
      file,
      WORDS.key,
      (share) => share !== undefined && told.push(share)
    )
    expect(result).toEqual({ added: 700, skipped: 0, damaged: false })
    expect(await raw(fresh)).toEqual(await raw(old))
    expect((await fresh.db.chats.get(BEN))?.pinned).toBeGreaterThan(0)
    expect(await fresh.app.search('message 699')).toHaveLength(1)
    expect(told.length).toBeGreaterThan(1)
    expect(told).toEqual([...told].sort((a, b) => a - b))
  })

  it('has all messages of one who counts from one after each start, and what was said of each', async () => {
    const entry = (n: number): string =>
      `${(Date.now() - 1_000_000 + n * 1000).toString(16).padStart(11, '0')}0000${String(n)}`
    const same = [1, 2, 3].map((n): Message => {
      const first = messageKey(BEN, BEN, false, '1')
      const key = n === 1 ? first : twinKey(first, entry(n))
      return {
        ...message(2 * n + 1, { text: `start ${String(n)}`, untrusted: 7, encrypted: false }),
        ...{
          key,
          id: '1',
          order: entry(n),
          archive: entry(n),
          at: timeOf(entry(n)),
          ...(n === 1 && { twins: true })
        }
      }
    })
    const old = await device()
    await write(old, same)
    await old.app.star(same[1]?.key ?? '', true)
    await old.app.react(same[0]?.key ?? '', ['👍'])
    const file = await saved(old)
    for (const before of [undefined, same[0], same[2]]) {
      const fresh = await device()
      // One that came here first has the key of the first
      if (before) await write(fresh, [{ ...before, key: same[0]?.key ?? '' }])
      await fresh.app.restore(file, WORDS.key, nothing)
      await fresh.app.restore(file, WORDS.key, nothing)
      const all = (await raw(fresh)).sort((a, b) => a.at - b.at)
      expect(all.map(({ text }) => text)).toEqual(['start 1', 'start 2', 'start 3'])
      expect(all.map(({ untrusted }) => untrusted)).toEqual([7, 7, 7])
      expect(all.map(({ starred }) => starred)).toEqual([undefined, 1, undefined])
      expect(all.map(({ reactions }) => Object.keys(reactions).length)).toEqual([1, 0, 0])
    }
  })

  it('brings pins back', async () => {
    const old = await device()
    await write(old, [message(1)])
    await old.app.pinMessage(message(1).key, 86_400)
    const file = await saved(old)
    const fresh = await device()
    await fresh.app.restore(file, WORDS.key, nothing)
    expect((await pinned(fresh.db, BEN, Date.now())).map(({ text }) => text)).toEqual(['message 1'])
  })

  it('tells why something was not sent, and until when they had read', async () => {
    const old = await device()
    const reasons = ['no-device', 'undecided', 'distrusted', 'refused'] as const
    const lost = reasons.map((failure, n) => message(2 * n + 2, { progress: 'failed', failure }))
    const last = message(20, { progress: 'delivered', deliveredAt: Date.now() - 1000 })
    await write(old, [...lost, last])
    const chat = (await old.db.chats.get(BEN)) ?? newChat(BEN)
    const seenAt = Date.now() - 500_000
    await old.db.chats.put({ ...chat, seenTo: last.order, seenAt })
    const file = await saved(old)
    const fresh = await device()
    await fresh.app.restore(file, WORDS.key, nothing)
    expect(await raw(fresh)).toEqual(await raw(old))
    expect((await raw(fresh)).flatMap(({ failure }) => failure ?? []).sort()).toEqual([...reasons].sort())
    expect(await fresh.db.chats.get(BEN)).toMatchObject({ seenTo: last.order, seenAt })
    // They could read it only after they had said so: it is not read
    expect((await fresh.db.messages.get(last.key))?.progress).toBe('delivered')
  })

  it('keeps what names a correction: what is taken back by that id later is gone', async () => {
    const old = await device()
    const said = message(1)
    await write(old, [said])
    await Work.run(old.db, async (work) => {
      const correction = messageKey(BEN, BEN, false, 'better')
      await addAlias(work, ME, correction, said.key)
      const order = orderAt(Date.now() - 1000)
      const edit = { kind: 'edit', from: BEN, order, id: 'better', text: 'better', encrypted: true } as const
      await addChange(work, ME, { key: changeKey('edit', said.key, BEN), target: said.key, ...edit })
    })
    const world = new World()
    const fresh = await device(world)
    await fresh.app.restore(await saved(old), WORDS.key, nothing)
    expect((await fresh.db.messages.get(said.key))?.text).toBe('better')
    world.take(
      `${BEN}/a`,
      parse(
        `<message xmlns='jabber:client' to='${ME}' type='chat' id='r'><retract xmlns='${NS.retract}' id='better'/></message>`
      )
    )
    await until(async () => (await fresh.db.messages.get(said.key))?.kind === 'deleted')
  })

  it('from before the number was changed is still one of this account', async () => {
    const OLD = 'ada-before@example.org'
    const notes = (id: string) => ({
      ...message(2, { chat: OLD, from: OLD, id, key: messageKey(OLD, OLD, true, id) })
    })
    const old = new Device(new World(), OLD)
    old.world.tokens.set(old.agent, 'token')
    await old.open()
    turnOffLater(old)
    await Work.run(old.db, async (work) => {
      await addMessage(work, OLD, notes('n1'))
      await addMessage(work, OLD, notes('n2'))
      const reply = { id: 'x', from: OLD, text: 'quoted' }
      await addMessage(work, OLD, { ...message(4), from: OLD, reply })
      await addMessage(work, OLD, message(5))
    })
    await old.app.react(message(5).key, ['👍'])
    await old.app.star(notes('n1').key, true)
    await old.app.deleteForMe([notes('n2').key])
    const file = await backup(old.db, OLD, WORDS, Date.now(), nothing)

    const moved = await device()
    expect(await failed(moved.app.restore(file, WORDS.key, nothing))).toBe('other-account')
    expect(await raw(moved)).toEqual([])
    await moved.db.setFact(FORMER, [OLD])
    await moved.app.restore(file, WORDS.key, nothing)
    const fresh = await device()
    // A new device does not know the number of before: the person says so
    await fresh.app.restore(file, WORDS.key, nothing, OLD)
    for (const one of [moved, fresh]) {
      expect((await raw(one)).map(({ key, from }) => [key, from])).toEqual([
        [`${ME} n1`, ME],
        [message(5).key, BEN],
        [message(4).key, ME]
      ])
      expect((await one.db.messages.get(`${ME} n1`))?.starred).toBe(1)
      expect((await one.db.messages.get(message(4).key))?.reply?.from).toBe(ME)
      expect((await one.db.messages.get(message(5).key))?.reactions).toEqual({ [ME]: ['👍'] })
      expect(await one.db.seen.get(`${ME} n2`)).toMatchObject({ gone: 1 })
      expect(JSON.stringify(await Promise.all(one.db.tables.map((table) => table.toArray())))).not.toContain(
        `"${OLD} `
      )
    }
  })

  it('does not bring back what an earlier version has deleted here, but what this device could never read', async () => {
    const old = await device()
    const [never, deleted] = [message(1), message(3)]
    await write(old, [never, deleted])
    const file = await saved(old)
    const other = await device()
    // Earlier versions kept the key alone, whatever the reason. This device came a day before the second
    await other.db.setFact('since', deleted.at - 86_400_000)
    await other.db.seen.bulkPut([{ key: never.key }, { key: deleted.key }])
    await other.db.seen.put({ key: 'nobody@example.org x' })
    expect(await other.app.restore(file, WORDS.key, nothing)).toMatchObject({ added: 1 })
    expect((await raw(other)).map(({ key }) => key)).toEqual([never.key])
  })

  it('and what the server has since then are one history, without a hole', async () => {
    const world = new World()
    const say = (n: number): void =>
      world.take(
        `${BEN}/a`,
        parse(
          `<message xmlns='jabber:client' to='${ME}' type='chat' id='w${String(n)}'><body>${String(n)}</body></message>`
        )
      )
    const old = await device(world)
    for (let n = 0; n < 20; n++) say(n)
    await until(async () => (await old.db.messages.count()) === 20)
    const file = await saved(old)
    await turnOff()
    for (let n = 20; n < 700; n++) say(n)
    const fresh = await device(world)
    const all = async (): Promise<string[]> => {
      const found = await ofChat(fresh.db, BEN).toArray()
      return found.map(({ text }) => text)
    }
    await until(async () => (await all()).length === 500)
    await fresh.app.restore(file, WORDS.key, nothing)
    expect(await all()).toHaveLength(520)
    for (let more = true, turns = 0; more && turns < 40; turns++) more = await fresh.app.older(BEN)
    expect(await all()).toEqual(Array.from({ length: 700 }, (_, n) => String(n)))
    expect(await fresh.app.older(BEN)).toBe(false)
  })

  it('is merged with what is here: nothing comes twice, and nothing that is newer here is undone', async () => {
    const old = await device()
    await write(old, [message(1), message(2, { starred: 1 }), message(3)])
    const file = await saved(old)
    await old.app.star(message(2).key, false)
    await old.app.deleteForMe([message(3).key])
    await old.app.edit(message(2).key, 'newer')
    await write(old, [message(4)])
    await old.app.archive(BEN, true)
    await old.online() // then the edit has its time
    const before = [await raw(old), await old.db.chats.get(BEN)]
    expect(await old.app.restore(file, WORDS.key, nothing)).toEqual({ added: 0, skipped: 0, damaged: false })
    expect([await raw(old), await old.db.chats.get(BEN)]).toEqual(before)
  })
})
