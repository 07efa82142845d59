/** Promises that hold for anything that a network or a stranger may do. */
import { WhisperMessage } from '@privacyresearch/libsignal-protocol-protobuf-ts'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import type { Envelope } from '../../src/crypto/crypto'
import { World, type Device, type Letter } from './world'

vi.setConfig({ testTimeout: 240_000 })

const ANNA = 'anna@example.org'
const BEN = 'ben@example.org'
const RUNS = Number(process.env['CHAOS_RUNS'] ?? 12)

type Deed =
  | { do: 'write'; who: number }
  | { do: 'read'; who: number; place: number }
  | { do: 'twice'; who: number; place: number }
  | { do: 'drop'; who: number; place: number }
  | { do: 'forget'; who: number }
  | { do: 'restart'; who: number }
  | { do: 'cut'; who: number }

const who = fc.nat(3)
const place = fc.nat(1000)
const deeds: fc.Arbitrary<Deed[]> = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.record({ do: fc.constant('write' as const), who }) },
    { weight: 8, arbitrary: fc.record({ do: fc.constant('read' as const), who, place }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('twice' as const), who, place }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('drop' as const), who, place }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('forget' as const), who }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), who }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('cut' as const), who }) }
  ),
  { minLength: 10, maxLength: 60 }
)

test('loss, disorder, repetition and lost sessions: all that arrived is read once, and later messages are', async () => {
  await fc.assert(
    fc.asyncProperty(deeds, async (sequence) => {
      const world = new World()
      for (const account of [ANNA, ANNA, BEN, BEN]) await world.device(account)
      const dropped = new Set<string>()
      const written: { id: string; by: Device }[] = []
      for (const deed of sequence) {
        const device = world.all[deed.who]
        if (device === undefined) throw new Error('no device')
        await perform(deed, device, written, dropped)
      }
      for (const device of world.all) {
        device.offline = false
        await device.crypto.online()
      }
      await world.deliver()
      for (const { id, by } of written) {
        for (const device of world.all) {
          if (device === by || dropped.has(`${device.id} ${id}`)) continue
          expect(device.read_(id), `${device.account} reads ${id}`).toEqual([id])
        }
      }
      // by then nobody is behind: each writes, and all others read it at once
      for (const by of world.all) {
        const { id } = await by.write(by.account === ANNA ? BEN : ANNA, 'later')
        await world.deliver()
        for (const device of world.all) if (device !== by) expect(device.read_(id)).toEqual(['later'])
      }
      for (const device of world.all) expect(await size(device)).toBeLessThan(400_000)
      await world.close()
    }),
    { numRuns: RUNS, endOnFailure: true }
  )
})

async function perform(
  deed: Deed,
  device: Device,
  written: { id: string; by: Device }[],
  dropped: Set<string>
): Promise<void> {
  const { box } = device
  switch (deed.do) {
    case 'write': {
      const id = `${device.id} ${written.length}`
      const to = device.account === ANNA ? BEN : ANNA
      if (device.offline) {
        // it could not be sent: the outbox tries again, and what was made of it is forgotten
        await device.crypto
          .encrypt([to], id)
          .catch((error: unknown) => expect(error).toEqual(new Error('offline')))
        return
      }
      await device.write(to, id, id)
      written.push({ id, by: device })
      return
    }
    case 'read': {
      const [letter] = box.splice(deed.place % (box.length || 1), 1)
      if (letter !== undefined) await device.read(letter)
      return
    }
    case 'twice': {
      const letter = box[deed.place % (box.length || 1)]
      if (letter !== undefined) box.push(structuredClone(letter))
      return
    }
    case 'drop': {
      const at = deed.place % (box.length || 1)
      const letter = box[at]
      // questions and their answers may be lost too, and then nobody asks again: their message counts as lost
      if (letter === undefined || !lose(letter, device, dropped)) return
      box.splice(at, 1)
      return
    }
    case 'forget':
      await device.crypto.idle()
      await device.db.keys.where('path').startsWith('session/').delete()
      device.start()
      return
    case 'restart':
      await device.crypto.idle()
      device.start()
      return
    case 'cut':
      device.offline = !device.offline
  }
}

/** Only what was written: that its loss is for good is clear. */
function lose(letter: Letter, device: Device, dropped: Set<string>): boolean {
  if (letter.resend !== undefined || letter.resent !== undefined || letter.id.startsWith('keys')) return false
  dropped.add(`${device.id} ${letter.id}`)
  return true
}

async function size(device: Device): Promise<number> {
  return JSON.stringify(await device.db.keys.toArray()).length
}

const bytes = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength })

test('whatever a stranger puts into an envelope, nothing is thrown and the next message is read', async () => {
  const world = new World()
  const [anna, ben] = [await world.device(ANNA), await world.device(BEN)]
  await anna.write(BEN, 'x')
  await ben.write(ANNA, 'x')
  await world.deliver()
  const good = (await anna.write(BEN, 'a model')).envelope
  ben.box.length = 0
  const model = good.keys[0]?.data ?? new Uint8Array()
  const changed = fc
    .tuple(
      fc.array(fc.tuple(fc.nat(model.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      fc.nat(40)
    )
    .map(([changes, cut]) => {
      const data = model.slice(0, model.length - cut)
      for (const [at, value] of changes) if (at < data.length) data[at] = value
      return data
    })
  const envelopes: fc.Arbitrary<Envelope> = fc
    .record({
      sender: fc.oneof(fc.constant(anna.id), fc.integer(), fc.double()),
      iv: bytes(20),
      device: fc.oneof({ weight: 9, arbitrary: fc.constant(ben.id) }, { weight: 1, arbitrary: fc.integer() }),
      prekey: fc.boolean(),
      data: fc.oneof(changed, bytes(300), bytes(5000)),
      payload: fc.option(bytes(100), { nil: undefined }),
      copies: fc.integer({ min: 0, max: 6 })
    })
    .map(({ sender, iv, device, prekey, data, payload, copies }) => ({
      sender,
      iv,
      keys: Array.from({ length: copies }, () => ({ device, prekey, data })),
      ...(payload === undefined ? {} : { payload })
    }))
  await fc.assert(
    fc.asyncProperty(envelopes, fc.string({ maxLength: 400 }), async (envelope, id) => {
      const { type } = await ben.crypto.decrypt(ANNA, envelope, id)
      expect(['keys', 'again', 'not-for-me', 'unreadable']).toContain(type)
    }),
    { numRuns: 300 }
  )
  await ben.crypto.idle()
  const next = await anna.write(BEN, 'next')
  await world.deliver()
  expect(ben.read_(next.id)).toEqual(['next'])
  expect(await size(ben)).toBeLessThan(300_000)
  expect(ben.asks).toBeLessThanOrEqual(30)
  await world.close()
})

test('nobody can fill the storage with devices and keys that they make up', async () => {
  const world = new World()
  const ben = await world.device(BEN)
  const eve = await world.device('eve@example.org')
  await eve.write(BEN, 'x')
  await world.deliver()
  const before = await ben.db.keys.count()
  const [letter] = [await eve.write(BEN, 'y')]
  for (let n = 1; n <= 300; n++) {
    await ben.crypto.decrypt('eve@example.org', { ...letter.envelope, sender: n }, `made up ${n}`)
  }
  await ben.crypto.idle()
  expect((await ben.db.keys.count()) - before).toBeLessThan(70)
  await world.close()
})

test('messages that are made to cost much are soon not looked at, and what is skipped takes bounded room', async () => {
  const world = new World()
  const [anna, ben] = [await world.device(ANNA), await world.device(BEN)]
  await anna.write(BEN, 'x')
  await ben.write(ANNA, 'x')
  await world.deliver()
  // a device of Anna's that leaves out as much as it may, on one chain after the other
  for (let chain = 0; chain < 4; chain++) {
    let last: Envelope | undefined
    for (let n = 0; n < 1900; n++) last = await anna.crypto.encrypt([BEN], 'x')
    if (last === undefined) throw new Error('nothing')
    const opened = await ben.crypto.decrypt(ANNA, last, `far ${chain}`)
    expect(opened.type).toBe('text')
    await ben.write(ANNA, 'so that a new chain begins')
    await anna.readAll()
  }
  const row = await ben.db.keys.get(`session/${ANNA}/${anna.id}`)
  expect(JSON.stringify(row).length).toBeLessThan(350_000)
  // forged ones on its chain, each two thousand steps ahead
  const { envelope } = await anna.write(BEN, 'the next')
  ben.box.length = 0
  const whisper = WhisperMessage.decode((envelope.keys[0]?.data ?? new Uint8Array()).slice(1, -8))
  expect((await ben.crypto.decrypt(ANNA, envelope, 'next')).type).toBe('text')
  const forged = WhisperMessage.encode({ ...whisper, counter: whisper.counter + 1990 }).finish()
  const data = Uint8Array.of(0x33, ...forged, ...new Uint8Array(8))
  const asked: boolean[] = []
  for (let n = 0; n < 20; n++) {
    const keys = [{ device: ben.id, prekey: false, data }]
    const opened = await ben.crypto.decrypt(ANNA, { ...envelope, keys }, `forged ${n}`)
    if (opened.type === 'unreadable') asked.push(opened.asked)
  }
  expect(asked).toHaveLength(20)
  expect(asked.filter(Boolean).length).toBeLessThanOrEqual(4)
  const next = await anna.write(BEN, 'and on')
  expect((await ben.read(next)).type).toBe('text')
  await world.close()
})

test('who makes one session after the other does not use up the prekeys', async () => {
  const world = new World()
  const [anna, ben] = [await world.device(ANNA), await world.device(BEN)]
  const read: string[] = []
  for (let n = 0; n < 110; n++) {
    await anna.db.keys.where('path').startsWith('session/').delete()
    anna.start()
    const envelope = await anna.crypto.encrypt([BEN], 'x')
    read.push((await ben.crypto.decrypt(ANNA, envelope, `${n}`)).type)
  }
  await ben.crypto.idle()
  expect(read.filter((type) => type === 'text').length).toBe(100)
  expect(read.at(-1)).toBe('unreadable')
  expect(world.bundles.get(`${BEN} ${ben.id}`)?.prekeys).toHaveLength(200)
  world.now += 3_600_000
  const { id } = await anna.write(BEN, 'later')
  await world.deliver()
  expect(ben.read_(id)).toEqual(['later'])
  await world.close()
})
