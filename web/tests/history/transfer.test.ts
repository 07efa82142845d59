/** Two devices of ada on the server in memory: the history goes from one to the other, whatever happens meanwhile. */
import { describe, expect, it } from 'vitest'
import { givings, GIVING, beginGiving, beginTaking, type Giving } from '../../src/history/transfer'
import { addChange, changeKey } from '../../src/local/changes'
import { ofChat } from '../../src/local/queries'
import { messageKey, orderAt } from '../../src/local/order'
import { addMessage } from '../../src/local/messages'
import type { Change, Message } from '../../src/local/types'
import { Work } from '../../src/local/work'
import { until, turnOff } from '../sync/people'
import { World } from '../sync/world'
import { fc } from './arbitrary'
import { ME, all, device, done, link, message, past, taking } from './devices'

describe('the history goes to a linked device', () => {
  it('whole, once, with stars, reactions and what is deleted, and both know that it is over', async () => {
    const world = new World()
    const [old, fresh] = [await device(world), await device(world)]
    await past(old, [130, 5, 60], (n) => (n % 7 === 3 ? { starred: 1 } : {}))
    const hearts = ['❤️']
    const [first, second, third] = await ofChat(old.db, 'c0@example.org').toArray()
    await Work.run(old.db, async (work) => {
      for (const [target, kind, more] of [
        [first, 'reaction', { emojis: hearts, from: ME }],
        [second, 'edit', { text: 'better', from: 'c0@example.org', id: 'e1' }],
        [third, 'retraction', { from: ME }]
      ] as const) {
        const key = changeKey(kind, target?.key ?? '', more.from)
        const order = orderAt(Date.now())
        await addChange(work, ME, { key, target: target?.key ?? '', kind, order, encrypted: true, ...more })
      }
    })
    await old.app.deleteForMe([(await ofChat(old.db, 'c2@example.org').first())?.key ?? ''])
    await link(old, fresh)
    await until(() => done(fresh))
    expect(await all(fresh)).toEqual(await all(old))
    expect(await fresh.db.words.count()).toBe(await old.db.words.count())
    expect((await fresh.db.seen.toArray()).length).toBeGreaterThan(0)
    await until(async () => (await givings(old.db))[0]?.state === 'done')
    expect(await taking(fresh)).toMatchObject({ done: 194, added: 194, skipped: 0 })
    // Nothing of it is in a log
    expect(world.log).toEqual([])
  })

  it('with the groups: who wrote what, mentions, votes, and what an admin has deleted', async () => {
    const world = new World()
    const [old, fresh] = [await device(world), await device(world)]
    const group = 'g1@groups.example.org'
    const start = Date.now() - 86_400_000
    const said = (from: string, n: number, more: Partial<Message> = {}): Message => ({
      ...message(group, n, start + n * 1000, { ...more, chat: group, from, mine: from === ME }),
      key: messageKey(group, from, from === ME, `same-${String(n)}`),
      id: `same-${String(n)}`
    })
    // Two people may use the same id
    const twin = { ...said('cyd@example.org', 1), key: messageKey(group, 'cyd@example.org', false, 'same-1') }
    const poll = {
      question: 'When?',
      options: ['now', 'later'].map((text, at) => ({ id: `o${String(at)}`, text })),
      several: false
    }
    const asked = said('ben@example.org', 3, { poll })
    const bad = said('cyd@example.org', 5)
    await Work.run(old.db, async (work) => {
      const mentions = [{ jid: ME, start: 0, end: 4 }]
      for (const one of [
        said('ben@example.org', 1, { mentions, forMe: true, starred: 1 }),
        ...[twin, said(ME, 2), asked, bad]
      ])
        await addMessage(work, ME, one)
      const changes: [Message, Change['kind'], Partial<Change> & Pick<Change, 'from'>][] = [
        [asked, 'vote', { emojis: ['o1'], from: 'cyd@example.org' }],
        [asked, 'close', { from: 'ben@example.org' }],
        [twin, 'reaction', { emojis: ['👍'], from: 'ben@example.org' }],
        [twin, 'edit', { text: 'better', from: 'cyd@example.org', id: 'e1' }],
        [bad, 'retraction', { from: 'cyd@example.org', by: group }]
      ]
      for (const [target, kind, more] of changes) {
        const key = changeKey(kind, target.key, more.from)
        const order = orderAt(Date.now())
        await addChange(work, ME, { key, target: target.key, kind, order, encrypted: true, ...more })
      }
    })
    await link(old, fresh)
    await until(() => done(fresh))
    expect(await all(fresh)).toEqual(await all(old))
    const there = await fresh.db.messages.get(asked.key)
    expect(there).toMatchObject({
      from: 'ben@example.org',
      votes: { 'cyd@example.org': ['o1'] },
      closed: true
    })
    expect(await fresh.db.messages.get(bad.key)).toMatchObject({ kind: 'deleted', deletedBy: group })
    expect((await fresh.db.chats.get(group))?.last).toBe((await old.db.chats.get(group))?.last)
  })

  it('the newest of each chat first, so that soon there is something of everything', async () => {
    const world = new World()
    const [old, fresh] = [await device(world), await device(world)]
    await past(old, [900, 300, 100])
    let parts = 0
    let seen: string[] = []
    const chats = async () =>
      (await fresh.db.chats.orderBy('at').reverse().toArray()).map(({ address }) => address)
    await fresh.db.setFact('nothing', 0)
    world.meddle = (inner, { type }) => {
      if (type === 'result' && ++parts === 2) void chats().then((found) => (seen = found))
      return inner
    }
    await link(old, fresh)
    await until(() => done(fresh))
    expect(parts).toBeGreaterThan(3)
    expect(seen).toEqual(['c2@example.org', 'c1@example.org', 'c0@example.org'])
    expect(await fresh.db.messages.count()).toBe(1300)
    expect(world.largest).toBeLessThan(200_000)
  })

  it('without what has expired; what is to go keeps its time', async () => {
    const world = new World()
    const [old, fresh] = [await device(world), await device(world)]
    const over = Date.now() + 1_000_000
    await past(old, [4])
    const rows = await old.db.messages.toArray()
    await old.db.messages.update(rows[0]?.key ?? '', { expires: over })
    await old.db.messages.update(rows[1]?.key ?? '', { expires: Date.now() - 1 })
    await link(old, fresh)
    await until(() => done(fresh))
    expect(await fresh.db.messages.count()).toBe(3)
    expect((await fresh.db.messages.get(rows[0]?.key ?? ''))?.expires).toBe(over)
  })

  it('beside what the new device has got already: that stays as it is here', async () => {
    const world = new World()
    const ben = await device(world, 'ben')
    const old = await device(world)
    await ben.app.send(ME, 'Before')
    await until(async () => (await old.texts(ben)).length === 1)
    const fresh = await device(world)
    await ben.app.send(ME, 'After')
    await until(async () => (await fresh.texts(ben)).length === 1 && (await old.texts(ben)).length === 2)
    const [after] = await fresh.with(ben)
    await fresh.app.star(after?.key ?? '', true)
    await fresh.app.star(after?.key ?? '', false)
    await old.app.star(after?.key ?? '', true)
    await link(old, fresh)
    await until(() => done(fresh))
    expect(await fresh.texts(ben)).toEqual(['Before', 'After'])
    expect((await fresh.db.messages.get(after?.key ?? ''))?.starred).toBe(0)
    // What was deleted here does not come back by a second transfer
    await fresh.app.deleteForMe([after?.key ?? ''])
    await link(old, fresh)
    await until(async () => (await done(fresh)) && (await taking(fresh))?.told === true)
    expect(await fresh.texts(ben)).toEqual(['Before'])
  })

  it('a message that this device could not read is there then, in its place', async () => {
    const world = new World()
    const ben = await device(world, 'ben')
    const old = await device(world)
    const fresh = await device(world)
    await ben.app.send(ME, 'Secret')
    await until(async () => (await old.texts(ben)).length === 1 && (await fresh.texts(ben)).length === 1)
    const [there] = await fresh.with(ben)
    await fresh.db.messages.update(there?.key ?? '', { kind: 'unreadable', text: '' })
    await link(old, fresh)
    await until(() => done(fresh))
    expect(await fresh.with(ben)).toEqual([
      expect.objectContaining({ kind: 'text', text: 'Secret', order: there?.order })
    ])
  })

  it('goes on where it was after the other device was away, and this one was closed', async () => {
    const world = new World()
    const [old, fresh] = [await device(world), await device(world)]
    await past(old, [1500])
    let parts = 0
    world.meddle = (inner, { type }) => {
      if (type === 'result' && ++parts === 2) old.cut()
      return inner
    }
    await link(old, fresh)
    await until(() => parts === 2)
    const before = (await taking(fresh))?.done ?? 0
    fresh.cut()
    await new Promise((resolve) => setTimeout(resolve, 50))
    world.restart(true)
    await fresh.open()
    fresh.join()
    old.join()
    await until(() => done(fresh))
    expect(await fresh.db.messages.count()).toBe(1500)
    expect((await taking(fresh))?.done).toBeGreaterThan(before)
    expect(parts).toBeLessThan(12)
  })

  it('ends when the person at either of the two does not want it', async () => {
    const world = new World()
    const [old, fresh] = [await device(world), await device(world)]
    await past(old, [1500])
    let parts = 0
    world.meddle = (inner, { type }) => {
      if (type === 'result' && ++parts === 1)
        void givings(old.db).then(([one]) => old.app.stopGiving(one?.id ?? ''))
      return inner
    }
    await link(old, fresh)
    await until(async () => (await taking(fresh))?.state === 'stopped')
    expect(await fresh.db.messages.count()).toBeLessThan(1500)
    world.meddle = (inner) => inner
    await link(old, fresh)
    await fresh.app.stopTaking()
    await until(async () => (await givings(old.db))[0]?.state !== 'running')
    expect((await taking(fresh))?.state).toBe('stopped')
  })

  it('and nothing of a server that answers in its place, repeats, mixes or changes is taken', async () => {
    const world = new World()
    const [old, fresh] = [await device(world), await device(world)]
    await past(old, [60])
    const answers: string[] = []
    let turn = 0
    world.meddle = (inner, { type }) => {
      if (type !== 'result') {
        answers.push(inner)
        return inner
      }
      turn += 1
      if (turn === 1) return answers[0] // the question as its answer
      if (turn === 2) return inner.replace(/>(.)/, (_, letter: string) => `>${letter === 'A' ? 'B' : 'A'}`)
      answers.push(inner)
      if (turn === 4) return answers.at(-2)
      return inner
    }
    await link(old, fresh)
    await until(async () => turn >= 1)
    expect(await fresh.db.messages.count()).toBe(0)
    for (let tries = 0; tries < 6 && !(await done(fresh)); tries++) {
      await fresh.app.takeHistory()
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    await until(() => done(fresh))
    expect(await all(fresh)).toEqual(await all(old))
  })

  it('to nobody who does not know the secret, whatever they ask', async () => {
    const world = new World()
    const [old, thief] = [await device(world), await device(world)]
    await past(old, [60])
    const { id } = await beginGiving(old.db, 'Laptop', Date.now())
    await beginTaking(thief.db, { id, secret: 'A'.repeat(43) }, Date.now())
    let refused = 0
    world.meddle = (inner, { type }) => {
      if (type === 'error') refused += 1
      return inner
    }
    await thief.app.takeHistory()
    await until(() => refused > 0)
    expect(await thief.db.messages.count()).toBe(0)
    expect((await old.db.fact<Giving>(GIVING + id))?.state).toBe('waiting')
  })

  it('ends equal and complete after any interleaving of lost connections, restarts, repetitions and new messages', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('cut', 'cut old', 'restart', 'forget', 'reload', 'write', 'twice'), {
          maxLength: 8
        }),
        async (steps) => {
          const world = new World()
          const [old, fresh, ben] = [await device(world), await device(world), await device(world, 'ben')]
          await past(old, [300, 40, 120])
          const todo = [...steps]
          let again: (() => Promise<void>) | undefined
          world.meddle = (inner, { type }) => {
            const step = type === 'result' ? todo.shift() : undefined
            if (step === 'cut') fresh.cut()
            if (step === 'cut old') old.cut()
            if (step === 'restart' || step === 'forget') world.restart(step === 'forget')
            if (step === 'reload') again = () => fresh.open()
            if (step === 'write') void ben.app.send(ME, 'meanwhile')
            if (step === 'twice') void fresh.app.takeHistory()
            return inner
          }
          const quick = setInterval(() => {
            if (!fresh.plug.in) fresh.join()
            if (!old.plug.in) old.join()
            if (again) {
              const now = again
              again = undefined
              fresh.cut()
              void now().then(() => fresh.join())
            }
          }, 40)
          await link(old, fresh)
          try {
            await until(() => done(fresh))
            await until(async () => (await old.with(ben)).length === (await fresh.with(ben)).length)
          } finally {
            clearInterval(quick)
          }
          expect(await all(fresh)).toEqual(await all(old))
          await turnOff()
        }
      ),
      { numRuns: Number(process.env['RUNS'] ?? 6) }
    )
  }, 180_000)
})
