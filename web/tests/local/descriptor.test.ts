/** Descriptors of media: what others send is hostile until shown otherwise. */
import { base64 } from '@scure/base'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromAesgcm, toAesgcm } from '../../src/local/aesgcm'
import { cardOf, cardWritten } from '../../src/local/cards'
import { mediaIn, mediaUrl, mediaWritten } from '../../src/local/descriptor'
import { cleanFileName } from '../../src/local/file-names'
import { extensionOf, fileOf, kindOfType, LARGEST_WHOLE, type Media } from '../../src/local/media'
import { extraOf } from '../../src/local/mentions'

const bytes = (length: number, fill = 1) => base64.encode(new Uint8Array(length).fill(fill))
const PICTURE: Media = {
  ...{
    kind: 'picture',
    url: 'https://m.example/m/abcdefghijklmnopqrstuv/x.jpg',
    key: bytes(32),
    iv: bytes(12)
  },
  ...{ type: 'image/jpeg', name: 'Sea.jpg', size: 1234, digest: bytes(32, 2), width: 4000, height: 3000 },
  ...{ preview: bytes(21), album: 'a' }
}
const read = (given: unknown) => mediaIn([given])

describe('a descriptor', () => {
  it('is read as it was written, without what is only of this device', () => {
    const sent = mediaWritten({ ...PICTURE, file: 'here', opened: true }, 'The sea')
    expect(JSON.stringify(sent)).not.toContain('here')
    expect(mediaIn(JSON.parse(JSON.stringify(sent)))).toEqual({ media: PICTURE, caption: 'The sea' })
    const places: Media = { kind: 'location', place: { latitude: 52.5, longitude: 13.4, name: 'Berlin' } }
    expect(mediaIn(mediaWritten(places, ''))).toEqual({ media: places, caption: '' })
    const card: Media = {
      kind: 'contact',
      card: cardWritten({ name: 'Ada', numbers: ['+49 1'], addresses: [] })
    }
    expect(mediaIn(mediaWritten(card, ''))?.media).toEqual(card)
    const large: Media = {
      kind: 'file',
      key: bytes(32),
      size: 2 ** 31,
      segments: { url: PICTURE.url ?? '', size: 99 }
    }
    expect(mediaIn(mediaWritten(large, ''))?.media).toEqual(large)
  })

  it.each([
    ['an unknown kind', { kind: 'program' }],
    ['http', { url: 'http://m.example/m/a/x' }],
    ['a script', { url: 'javascript:alert(1)' }],
    ['data', { url: 'data:text/html,hi' }],
    ['credentials', { url: 'https://a:b@m.example/m/a/x' }],
    ['a fragment', { url: 'https://m.example/m/a/x#f' }],
    ['a short key', { key: bytes(16) }],
    ['a long iv', { iv: bytes(16) }],
    ['no digest', { digest: undefined }],
    ['a key that is none', { key: '%%%%' }],
    ['a negative size', { size: -1 }],
    ['a size that is no number', { size: '5' }],
    ['half a byte', { size: 1.5 }],
    ['an endless size', { size: Infinity }],
    ['more than is opened as a whole', { size: LARGEST_WHOLE + 1 }]
  ])('with %s is none', (_, wrong) => {
    expect(read({ ...PICTURE, ...wrong })).toBeUndefined()
  })

  it('plays by itself only if it says that it is a short video', () => {
    const video = { ...PICTURE, kind: 'video', type: 'video/mp4', duration: 4000, loop: true }
    expect(read(video)?.media.loop).toBe(true)
    for (const wrong of [{ duration: 6001 }, { duration: undefined }, { kind: 'picture' }, { loop: 'yes' }])
      expect(read({ ...video, ...wrong })?.media.loop).toBeUndefined()
  })

  it('loses what only says how it looks, if that is wrong', () => {
    const wrong = {
      ...{ width: 1e9, height: 1, preview: bytes(61), thumbnail: bytes(100), waveform: bytes(10, 32) },
      ...{ duration: -5, album: 'x'.repeat(300), once: 'yes', caption: { text: 'x' }, type: 'text/html;x=1' }
    }
    const { type, width, height, preview, album, ...rest } = PICTURE
    void [type, width, height, preview, album]
    expect(read({ ...PICTURE, ...wrong })).toEqual({ media: rest, caption: '' })
  })

  it('survives whatever JSON is', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        extraOf(json)
        mediaIn(JSON.parse(json))
      })
    )
    const member = fc.constantFrom(
      ...Object.keys(PICTURE),
      'streams',
      'segments',
      'place',
      'card',
      'thumbnail'
    )
    fc.assert(
      fc.property(member, fc.anything(), (name, value) => {
        const found = read({ ...PICTURE, [name]: value })
        if (!found) return
        expect(mediaUrl(found.media.url ?? found.media.segments?.url ?? 'https://x.example')).toBeDefined()
        // What was accepted is accepted again: devices of the user tell each other
        expect(mediaIn(mediaWritten(found.media, found.caption))).toEqual(found)
      }),
      { numRuns: 2000 }
    )
  })

  it('names a file by all that decides about its content', () => {
    const other = { ...PICTURE, digest: bytes(32, 3) }
    expect(fileOf(other)).not.toBe(fileOf(PICTURE))
    expect(fileOf({ ...PICTURE, url: 'https://m.example/m/other/x' })).toBe(fileOf(PICTURE))
    expect(fileOf({ kind: 'contact' })).toBeUndefined()
  })
})

describe('an address of another app', () => {
  const url = 'https://m.example/m/abc/Photo%20%28.jpg'

  it('is read as it was written, whichever way', () => {
    const text = toAesgcm(url, bytes(12), bytes(32, 9))
    expect(text).toMatch(/^aesgcm:\/\/m\.example\/m\/abc\/[^#]+#[0-9a-f]{88}$/)
    expect(fromAesgcm(` ${text}\n`)).toMatchObject({ kind: 'picture', url, key: bytes(32, 9), iv: bytes(12) })
    expect(fromAesgcm(toAesgcm(url, bytes(16), bytes(32)))).toMatchObject({ iv: bytes(16) })
  })

  it.each([
    'aesgcm://m.example/x',
    'aesgcm://m.example/x#00',
    `look: ${toAesgcm(url, bytes(12), bytes(32))}`,
    ''
  ])('is a text otherwise: %s', (text) => {
    expect(fromAesgcm(text)).toBeUndefined()
  })
})

describe('a file', () => {
  it.each([
    ['../../etc/passwd', 'passwd'],
    ['C:\\Windows\\evil.exe', 'evil.exe'],
    ['photo\u202egpj.exe', 'photogpj.exe'],
    ['a\u0000b\nc.txt', 'abc.txt'],
    ['...', ''],
    ['.htaccess', 'htaccess'],
    ['x'.repeat(300) + '.pdf', 'x'.repeat(145) + '….pdf'],
    ['a<b>:"|?*.txt', 'a_b______.txt']
  ])('with the name %j is called %j', (name, clean) => {
    expect(cleanFileName(name)).toBe(clean)
  })

  it('is only a picture if nothing in it can run', () => {
    expect(kindOfType('image/svg+xml')).toBe('file')
    expect(kindOfType('image/png')).toBe('picture')
    expect(kindOfType('text/html')).toBe('file')
  })

  it('has an extension by which other apps know it', () => {
    expect(extensionOf('image/jpeg', 'x.png')).toBe('jpg')
    expect(extensionOf('image/jpeg', 'x.JPEG')).toBe('jpeg')
    expect(extensionOf('application/x-unknown', 'a.blend')).toBe('blend')
    expect(extensionOf('', '')).toBe('bin')
  })
})

describe('a contact card', () => {
  it('says names and numbers, however it is written', () => {
    const card =
      'BEGIN:VCARD\nVERSION:3.0\nN:Lovelace;Ada;;;\nitem1.TEL;TYPE="a:b":+49 151\n 23\nTEL:tel:+1;x\nORG:Engines;x\nEMAIL:a@b.c\nIMPP:xmpp:ada%40x@example.org\nEND:VCARD'
    expect(cardOf(card)).toEqual({
      ...{ name: 'Ada Lovelace', numbers: ['+49 15123', '+1;x'], emails: ['a@b.c'] },
      ...{ addresses: ['ada@x@example.org'], organization: 'Engines' }
    })
    const written = cardWritten({ name: 'A, B; C\\', numbers: ['+49 (151) 23'], addresses: ['a@b.c'] })
    expect(cardOf(written)).toMatchObject({ name: 'A, B; C\\', numbers: ['+4915123'], addresses: ['a@b.c'] })
    fc.assert(fc.property(fc.string(), (text) => void cardOf(text)))
  })
})
