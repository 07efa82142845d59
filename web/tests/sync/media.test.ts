/** Files in messages, over the whole sync layer, with a media server that can be away. */
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { base64, base64urlnopad } from '@scure/base'
import { lineOf } from '../../src/history/record-reader'
import { messageRecord } from '../../src/history/record-writer'
import { fileOf, type Media } from '../../src/local/media'
import { removeFiles, storeFile } from '../../src/local/files'
import { claimSecret } from '../../src/media/cipher'
import { sealedSize } from '../../src/media/segmented-file'
import { NoPicture } from '../../src/media/no-picture'
import { NotHere } from '../../src/sync/app'
import { el, type Xml } from '../../src/xmpp/xml'
import { attribute, first } from '../../src/xmpp/xml'
import { NS } from '../../src/xmpp/ns'
import { MediaServer } from '../media/server'
import { Device, device, turnOffLater, until } from './people'
import { World } from './world'

const server = new MediaServer()
beforeAll(() => server.start())
afterAll(() => server.stop())

const PICTURE: Media = { kind: 'picture', type: 'image/jpeg', name: 'sea.jpg', width: 400, height: 300 }

class MediaWorld extends World {
  slots = 0
  claims: string[] = []
  refuses: string | undefined

  override request(...[session, iq]: Parameters<World['request']>): void {
    const payload = first(iq) as Xml
    if (payload.namespace !== NS.upload && payload.namespace !== NS.kithMedia) {
      super.request(session, iq)
      return
    }
    const head = { xmlns: NS.client, id: attribute(iq, 'id'), from: attribute(iq, 'to'), to: session.jid }
    if (this.refuses) {
      const error = el('error', { type: 'modify' }, el(this.refuses, { xmlns: NS.stanzas }))
      this.push(session, el('iq', { ...head, type: 'error' }, error).xml)
      return
    }
    if (payload.name === 'claim' || payload.name === 'release') {
      const blob = attribute(payload, 'blob')
      this.claims.push(`${payload.name} ${blob.slice(0, 5)} ${attribute(payload, 'secret')}`.trim())
      const there = server.blobs.has(blob)
      const error = el('error', { type: 'cancel' }, el('item-not-found', { xmlns: NS.stanzas }))
      this.push(
        session,
        el('iq', { ...head, type: there ? 'result' : 'error' }, there ? undefined : error).xml
      )
      return
    }
    this.slots += 1
    const blob = `blob${String(this.slots)}`.padEnd(22, 'x')
    const { put, get, url } = server.slot(blob, Number(attribute(payload, 'size')))
    const slot = el(
      'slot',
      { xmlns: NS.upload },
      el('put', { url: put }, el('header', { name: 'Authorization' }, 'Bearer t')),
      el('get', { url: get }),
      el('resumable', { xmlns: NS.kithMedia, url, blob })
    )
    this.push(session, el('iq', { ...head, type: 'result' }, slot).xml)
  }
}

/** A device whose app finds the media server. */
async function person(world: MediaWorld, name: string): Promise<Device> {
  const made = new Device(world, `${name}@example.org`)
  world.tokens.set(made.agent, 'token')
  made.deps = { url: server.origin.replace('http', 'ws') }
  turnOffLater(made)
  await made.open()
  await made.online()
  return made
}

async function pair(): Promise<{ world: MediaWorld; ada: Device; ben: Device }> {
  const world = new MediaWorld()
  return { world, ada: await person(world, 'ada'), ben: await person(world, 'ben') }
}

const data = (text = 'a picture') => new Blob([text], { type: 'image/jpeg' })
const got = async (one: Device, other: Device) => (await one.with(other)).filter(({ media }) => media)

describe('a file', () => {
  beforeEach(() => {
    server.blobs.clear()
    server.before = () => undefined
  })

  it('arrives with its caption, once, and is opened', async () => {
    const { ada, ben } = await pair()
    await ada.app.sendMedia(ben.address, [{ media: PICTURE, caption: 'The sea', data: data() }])
    await until(async () => (await got(ben, ada)).length === 1)
    const [message] = await got(ben, ada)
    expect(message).toMatchObject({ text: 'The sea', encrypted: true, media: { ...PICTURE, size: 9 } })
    const file = await ben.app.file(message?.key ?? '')
    expect(await file.text()).toBe('a picture')
    expect(file.type).toBe('image/jpeg')
    // Now it is here, whatever becomes of the server
    expect(await (await ben.app.file(message?.key ?? '', { here: true })).text()).toBe('a picture')
    await ada.online()
    // The caption that other apps get is no message of its own, here and there
    expect(await ben.texts(ada)).toEqual(['The sea'])
    expect(await ada.texts(ben)).toEqual(['The sea'])
    expect((await ada.with(ben))[0]?.progress).not.toBe('waiting')
    expect(await ada.db.uploads.count()).toBe(0)
  })

  it('that is sent offline goes out in order with the texts, after a restart', async () => {
    const { ada, ben } = await pair()
    ada.cut()
    await ada.app.send(ben.address, 'before')
    await ada.app.sendMedia(ben.address, [
      { media: PICTURE, data: data('one') },
      { media: PICTURE, data: data('two') }
    ])
    await ada.app.send(ben.address, 'after')
    const [, first] = await ada.with(ben)
    expect(await (await ada.app.file(first?.key ?? '')).text()).toBe('one')
    await ada.restart()
    ada.join()
    await ada.online()
    await until(async () => (await ben.with(ada)).length === 4)
    const all = await ben.with(ada)
    expect(all.map(({ text, media }) => text || media?.name)).toEqual([
      'before',
      'sea.jpg',
      'sea.jpg',
      'after'
    ])
    const files = await Promise.all(all.slice(1, 3).map(({ key }) => ben.app.file(key)))
    expect(await Promise.all(files.map((file) => file.text()))).toEqual(['one', 'two'])
  })

  it('waits while the media server is away, and texts to others do not', async () => {
    const { world, ada, ben } = await pair()
    const cem = await device(world, 'cem')
    let away = true
    server.before = () => {
      if (away) throw new Error('away')
    }
    await ada.app.sendMedia(ben.address, [{ media: PICTURE, data: data() }])
    await ada.app.send(cem.address, 'quick')
    await until(async () => (await cem.with(ada)).length === 1)
    expect(await ben.with(ada)).toEqual([])
    away = false
    await until(async () => (await got(ben, ada)).length === 1)
  })

  it('goes on by itself when the connection is there again', async () => {
    const { ada, ben } = await pair()
    server.before = () => {
      ada.cut()
      throw new Error('cut')
    }
    await ada.app.sendMedia(ben.address, [{ media: PICTURE, data: data() }])
    await until(async () => (await ada.db.uploads.toArray()).some(({ tries }) => tries > 0))
    server.before = () => undefined
    ada.join()
    await until(async () => (await got(ben, ada)).length === 1)
  })

  it('that the server refuses says why, and lets later texts pass; a retry sends it', async () => {
    const { world, ada, ben } = await pair()
    world.refuses = 'not-acceptable'
    await ada.app.sendMedia(ben.address, [{ media: PICTURE, data: data() }])
    await ada.app.send(ben.address, 'later')
    await until(async () => (await ben.texts(ada)).includes('later'))
    const [failed] = await got(ada, ben)
    expect(failed).toMatchObject({ progress: 'failed', failure: 'too-large' })
    world.refuses = undefined
    await ada.app.retry(failed?.key ?? '')
    await until(async () => (await got(ben, ada)).length === 1)
  })

  it('can be stopped, and goes on later with the same slot', async () => {
    const { world, ada, ben } = await pair()
    let away = true
    server.before = () => {
      if (away) throw new Error('away')
    }
    await ada.app.sendMedia(ben.address, [{ media: PICTURE, data: data() }])
    await until(async () => (await ada.db.uploads.toArray()).some(({ slot }) => slot))
    const [message] = await got(ada, ben)
    await ada.app.stopUpload(message?.key ?? '')
    expect((await got(ada, ben))[0]).toMatchObject({ progress: 'failed', failure: 'stopped' })
    away = false
    await ada.app.retry(message?.key ?? '')
    await until(async () => (await got(ben, ada)).length === 1)
    expect(world.slots).toBe(1)
  })

  it('has a small copy here, which is stored with it and goes with it', async () => {
    const { ada, ben } = await pair()
    const small = new Blob(['small'], { type: 'image/jpeg' })
    await ada.app.sendMedia(ben.address, [{ media: PICTURE, data: data(), small }])
    await until(async () => (await got(ben, ada)).length === 1)
    const [mine] = await got(ada, ben)
    const id = fileOf(mine?.media as Media) ?? ''
    const copy = await ada.app.smallPicture(id)
    expect([await copy.text(), copy.type]).toEqual(['small', 'image/jpeg'])
    // it is of this device alone
    const [theirs] = await got(ben, ada)
    await expect(ben.app.smallPicture(id)).rejects.toThrow(NotHere)
    await ben.app.file(theirs?.key ?? '')
    await expect(ben.app.smallPicture(id)).rejects.toThrow(NoPicture) // "a picture" is none by its bytes
    await removeFiles(ada.db, [id])
    expect(await ada.db.smalls.count()).toBe(0)
    await expect(ada.app.smallPicture(id)).rejects.toThrow(NotHere)
  })

  it('that is small or moves is its own small copy, of the type that its bytes say', async () => {
    const { ada } = await pair()
    const gif = new Blob([new Uint8Array([71, 73, 70, 56, 57, 97, 0, 8, 0, 8, 0, 0, 0])], {
      type: 'text/html'
    })
    await storeFile(ada.db, 'gif', gif, ada.app.now())
    const shown = await ada.app.smallPicture('gif')
    expect([shown.size, shown.type]).toEqual([gif.size, 'image/gif'])
    expect(await ada.db.smalls.count()).toBe(0)
  })

  it('is shown as it is where no small copy of it can be made', async () => {
    const { ada } = await pair()
    // its header is that of a large PNG; under Node nothing can be drawn
    const head = [137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 8, 0, 0, 0, 8, 0]
    const png = new Blob([new Uint8Array([...head, 8, 6, 0, 0, 0])])
    await storeFile(ada.db, 'png', png, ada.app.now())
    vi.stubGlobal('createImageBitmap', () =>
      Promise.resolve({ width: 2048, height: 2048, close: () => undefined })
    )
    const shown = await ada.app.smallPicture('png')
    vi.unstubAllGlobals()
    expect([shown.size, shown.type]).toEqual([png.size, 'image/png'])
    expect(await ada.db.smalls.count()).toBe(0)
  })

  it('that can be viewed once leaves no small copy', async () => {
    const { ada, ben } = await pair()
    const small = new Blob(['small'], { type: 'image/jpeg' })
    await ada.app.sendMedia(ben.address, [{ media: { ...PICTURE, once: true }, data: data(), small }])
    expect(await ada.db.smalls.count()).toBe(0)
  })

  it('that was changed on the server is not shown', async () => {
    const { ada, ben } = await pair()
    await ada.app.sendMedia(ben.address, [{ media: PICTURE, data: data() }])
    await until(async () => (await got(ben, ada)).length === 1)
    const [message] = await got(ben, ada)
    const blob = [...server.blobs.values()].at(-1)
    blob?.data.writeUInt8(blob.data.readUInt8(3) ^ 1, 3)
    await expect(ben.app.file(message?.key ?? '')).rejects.toThrow('not authentic')
    expect(await ben.db.files.get(fileOf(message?.media as Media) ?? '')).toBeUndefined()
  })

  it('is forwarded without another upload, with its key as proof, and released when it is deleted', async () => {
    const { world, ada, ben } = await pair()
    const cem = await person(world, 'cem')
    await ada.app.sendMedia(ben.address, [{ media: PICTURE, caption: 'Look', data: data() }])
    await until(async () => (await got(ben, ada)).length === 1)
    const [message] = await got(ben, ada)
    await ben.app.forward([message?.key ?? ''], [cem.address])
    await until(async () => (await got(cem, ben)).length === 1)
    const [forwarded] = await got(cem, ben)
    expect(forwarded).toMatchObject({ forwarded: true, text: 'Look', media: { url: message?.media?.url } })
    expect(await (await cem.app.file(forwarded?.key ?? '')).text()).toBe('a picture')
    expect(world.slots).toBe(1)
    const secret = base64urlnopad.encode(await claimSecret(message?.media?.key ?? ''))
    expect(world.claims).toEqual([`claim blob1 ${secret}`])
    await ada.online()
    const [mine] = await got(ada, ben)
    await ada.app.deleteForEveryone(mine?.key ?? '')
    await until(() => world.claims.includes('release blob1'))
    await until(async () => (await ada.db.blobs.count()) === 0)
    await until(async () => (await ben.with(ada))[0]?.kind === 'deleted')
    expect((await ben.with(ada))[0]?.media).toBeUndefined()
    // He has forwarded it, so his copy stays
    await ben.online()
    expect(world.claims).toHaveLength(2)
    expect(await ben.db.blobs.count()).toBe(0)
  })

  it('that is gone from the server is asked for, and comes again', async () => {
    const { world, ada, ben } = await pair()
    await ada.app.sendMedia(ben.address, [{ media: PICTURE, data: data() }])
    await until(async () => (await got(ben, ada)).length === 1)
    await ada.online()
    server.blobs.clear()
    const [message] = await got(ben, ada)
    await expect(ben.app.file(message?.key ?? '')).rejects.toMatchObject({ reason: 'gone' })
    await ben.app.askForFile(message?.key ?? '')
    await until(async () => (await got(ben, ada))[0]?.media?.url !== message?.media?.url)
    expect(await (await ben.app.file(message?.key ?? '')).text()).toBe('a picture')
    expect(world.slots).toBe(2)
    // Nothing of that is a message
    expect((await ada.with(ben)).length).toBe(1)
    expect((await ben.with(ada)).length).toBe(1)
  })

  it('in segments that is gone from the server is asked for, and comes again', async () => {
    const { world, ada, ben } = await pair()
    const key = base64.encode(crypto.getRandomValues(new Uint8Array(32)))
    const content = new Blob([new Uint8Array(2_500_000).fill(7)])
    const media: Media = {
      ...{ kind: 'file', name: 'film.bin', type: 'application/zip', key, size: content.size },
      segments: { size: sealedSize(content.size) },
      file: 'large test'
    }
    await storeFile(ada.db, 'large test', content, ada.app.now(), true)
    await ada.app.sendMedia(ben.address, [{ media }])
    await until(async () => (await got(ben, ada)).length === 1)
    await ada.online()
    const [before] = await got(ben, ada)
    const url = before?.media?.segments?.url
    expect(url).toBeDefined()
    server.blobs.clear()
    await expect(ben.app.file(before?.key ?? '')).rejects.toMatchObject({ reason: 'gone' })
    await ben.app.askForFile(before?.key ?? '')
    await until(async () => (await got(ben, ada))[0]?.media?.segments?.url !== url)
    const [after] = await got(ben, ada)
    expect(after?.media?.url).toBeUndefined()
    expect((await ben.app.file(after?.key ?? '')).size).toBe(content.size)
    // the next time it is known where it is, here and there
    expect((await got(ada, ben))[0]?.media?.segments?.url).toBe(after?.media?.segments?.url)
    expect(world.slots).toBe(2)
  })

  it('is not uploaded again for somebody who never got it', async () => {
    const { world, ada, ben } = await pair()
    const cem = await device(world, 'cem')
    await ada.app.sendMedia(ben.address, [{ media: PICTURE, data: data() }])
    await until(async () => (await got(ben, ada)).length === 1)
    await ada.online()
    const [message] = await got(ben, ada)
    const note = { reupload: { id: message?.id ?? '', url: message?.media?.url ?? '' } }
    await cem.db.outgoing.add({ to: ada.address, id: 'ask', what: { type: 'note', note }, tries: 0 })
    await cem.app.send(ada.address, 'x')
    await until(async () => (await ada.texts(cem)).includes('x'))
    await ada.online()
    expect(world.slots).toBe(1)
  })

  it('has a caption that can be edited, and stays', async () => {
    const { ada, ben } = await pair()
    await ada.app.sendMedia(ben.address, [{ media: PICTURE, caption: 'Se', data: data() }])
    await until(async () => (await got(ben, ada)).length === 1)
    await ada.online()
    const [mine] = await got(ada, ben)
    await ada.app.edit(mine?.key ?? '', 'Sea')
    await until(async () => (await ben.texts(ada))[0] === 'Sea')
    const [theirs] = await got(ben, ada)
    expect(theirs).toMatchObject({ media: { kind: 'picture' } })
    expect(await (await ben.app.file(theirs?.key ?? '')).text()).toBe('a picture')
  })

  it('is found by the name of the document, and comes to another device with the history', async () => {
    const { ada, ben } = await pair()
    const media: Media = { kind: 'file', type: 'application/pdf', name: 'Budget 2027.pdf' }
    await ada.app.sendMedia(ben.address, [{ media, data: data() }])
    await until(async () => (await got(ben, ada)).length === 1)
    const [message] = await got(ben, ada)
    expect(await ben.app.search('budget')).toEqual([message?.key])
    const record = message && messageRecord(message, ben.app.now())
    const read = lineOf(JSON.stringify(record), ben.app.now() + 1000)
    expect(read).toMatchObject({ is: 'record' })
    await ben.db.messages.clear()
    await ben.db.seen.clear()
    if (read.is === 'record') await ben.app.mergeRecords([read.record])
    expect((await got(ben, ada))[0]?.media).toEqual(message?.media)
  })

  it('that can be viewed once is gone afterwards, and its sender knows', async () => {
    const { ada, ben } = await pair()
    await ada.app.sendMedia(ben.address, [{ media: { ...PICTURE, once: true }, data: data() }])
    await until(async () => (await got(ben, ada)).length === 1)
    const [message] = await got(ben, ada)
    const key = message?.key ?? ''
    await ben.app.file(key)
    await ben.app.viewedOnce(key)
    expect(await ben.db.blobs.count()).toBe(0)
    await expect(ben.app.file(key)).rejects.toThrow()
    await until(async () => (await got(ada, ben))[0]?.media?.opened === true)
  })

  it('of another app is shown, and a plain one as not encrypted', async () => {
    const { world, ada, ben } = await pair()
    const key = '00'.repeat(44)
    await ben.app.send(ada.address, `aesgcm://media.example.org/m/abc/x.png#${key}`)
    await until(async () => (await got(ada, ben)).length === 1)
    expect((await got(ada, ben))[0]).toMatchObject({ text: '', encrypted: true, media: { kind: 'picture' } })
    const url = 'https://elsewhere.example/x.pdf'
    world.give(
      ada as never,
      `<message xmlns='jabber:client' from='ben@example.org/x' to='${ada.address}' type='chat' id='plain'>` +
        `<body>${url}</body><x xmlns='jabber:x:oob'><url>${url}</url></x></message>`
    )
    await until(async () => (await got(ada, ben)).length === 2)
    expect((await got(ada, ben))[1]).toMatchObject({
      ...{ encrypted: false, media: { kind: 'file', name: 'x.pdf', plain: true, url } }
    })
  })
})
