/** A file that was damaged, forged or made by others, and its key. */
import { describe, expect, it } from 'vitest'
import { backup } from '../../src/history/backup'
import { BadFile } from '../../src/history/bad-file'
import { openFile, sealFile } from '../../src/history/file'
import { newWords, phraseOf } from '../../src/history/phrase'
import { fc } from './arbitrary'
import { ME, WORDS, device, failed, message, nothing, saved, write } from './backups'

describe('the file of a backup', () => {
  it('shows nothing of what is in it: neither texts nor addresses', async () => {
    const old = await device()
    await write(old, [message(1)])
    const bytes = new TextDecoder('latin1').decode(await (await saved(old)).arrayBuffer())
    expect(bytes).toMatch(/^age-encryption\.org\/v1\n-> scrypt /)
    expect(bytes).not.toMatch(/message 1|ben@|ada@/)
  })

  it('says that the key is wrong, that it is no backup, and that it is of somebody else', async () => {
    const old = await device()
    await write(old, [message(1)])
    const file = await saved(old)
    expect(await failed(old.app.restore(file, newWords().join(' '), nothing))).toBe('wrong-key')
    expect(await failed(old.app.restore(new Blob(['{"account":"ada"}']), WORDS.key, nothing))).toBe(
      'not-a-backup'
    )
    const other = await sealFile(new Blob(['not even gzip']), WORDS.key, true)
    expect(await old.app.restore(other, WORDS.key, nothing)).toMatchObject({ added: 0, damaged: true })
    const theirs = await backup(old.db, 'eve@example.org', WORDS, Date.now(), nothing)
    expect(await failed(old.app.restore(theirs, WORDS.key, nothing))).toBe('other-account')
  })

  it('that was cut off gives back what is good of it, and says that it is damaged', async () => {
    const old = await device()
    const noise = () => Array.from({ length: 300 }, () => Math.random().toString(36).slice(2)).join(' ')
    await write(
      old,
      Array.from({ length: 150 }, (_, n) => message(n, { text: noise() }))
    )
    const file = await saved(old)
    const fresh = await device()
    const result = await fresh.app.restore(file.slice(0, Math.floor(file.size * 0.7)), WORDS.key, nothing)
    expect(result.damaged).toBe(true)
    expect(result.added).toBeGreaterThan(0)
    expect(result.added).toBeLessThan(150)
  })

  it('in which a bit was changed, or parts were swapped, never gives anything that was not in it', async () => {
    const data = new Uint8Array(200_000)
    for (let at = 0; at < data.length; at += 65_536) crypto.getRandomValues(data.subarray(at, at + 65_536))
    const file = new Uint8Array(await (await sealFile(new Blob([data]), 'key', true)).arrayBuffer())
    const good = async (changed: Uint8Array<ArrayBuffer>): Promise<void> => {
      try {
        const { data: found, whole } = await openFile(new Blob([changed]), 'key')
        expect(whole).toBe(false)
        expect(data.subarray(0, found.size)).toEqual(new Uint8Array(await found.arrayBuffer()))
        expect(found.size % 65_536).toBe(0)
      } catch (error) {
        if (!(error instanceof BadFile)) throw error
      }
    }
    await fc.assert(
      fc.asyncProperty(fc.nat(file.length * 8 - 1), async (bit) => {
        const changed = file.slice()
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        await good(changed)
        await good(file.slice(0, bit >> 3))
      }),
      { numRuns: 8 }
    )
    const start = file.length - data.length - 16 * 4
    const chunk = 65_536 + 16
    const parts = [0, 1, 2].map((n) => file.slice(start + n * chunk, start + (n + 1) * chunk))
    const swapped = file.slice()
    swapped.set(parts[1] ?? [], start)
    swapped.set(parts[0] ?? [], start + chunk)
    await good(swapped)
  })

  it('that asks for much more work than any of ours is refused', async () => {
    const file = await (await sealFile(new Blob(['x']), 'key', true)).text()
    const greedy = file.replace(/^(.*\n-> scrypt \S+) 14\n/, '$1 20\n')
    expect(greedy).not.toBe(file)
    expect(await failed(openFile(new Blob([greedy]), 'key'))).toBe('damaged')
  })

  it('under a passphrase is slow to guess', async () => {
    const file = await (await sealFile(new Blob(['x']), 'correct horse battery', false)).text()
    expect(file).toMatch(/-> scrypt \S+ 17\n/)
  })

  it('may hold what a later version has written', async () => {
    const old = await device()
    await write(old, [message(1)])
    const gzip = new Blob([
      `${JSON.stringify({ type: 'account', v: 1, account: ME, made: 1, total: 1 })}\n{"type":"group","v":1}\n{"type":"end","v":1,"records":2}\n`
    ])
      .stream()
      .pipeThrough(new CompressionStream('gzip'))
    const file = await sealFile(await new Response(gzip).blob(), WORDS.key, true)
    expect(await old.app.restore(file, WORDS.key, nothing)).toEqual({ added: 0, skipped: 1, damaged: false })
  })
})

describe('the key of a backup', () => {
  it('is twelve words of 128 random bits, which are understood however they are written', () => {
    const words = newWords()
    expect(words).toHaveLength(12)
    expect(newWords()).not.toEqual(words)
    const key = words.join(' ')
    expect(phraseOf(key)).toEqual({ is: 'words', key })
    expect(
      phraseOf(` ${words.map((word, n) => `${String(n + 1)}. ${word.toUpperCase()}`).join('\n')} `)
    ).toEqual({ is: 'words', key })
  })

  it('tells which of the words is none, or that they do not fit together', () => {
    const words =
      'abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about'
    expect(phraseOf(words).is).toBe('words')
    expect(phraseOf(words.replace('about', 'abuot'))).toEqual({ is: 'mistyped', wrong: ['abuot'] })
    expect(phraseOf(words.replace('about', 'zoo'))).toEqual({ is: 'mistyped', wrong: [] })
    expect(phraseOf(words.replace(' about', ''))).toEqual({ is: 'mistyped', wrong: [] })
  })

  it('may be a passphrase, which is taken as it was typed', () => {
    expect(phraseOf(' Correct horse, Battery ')).toEqual({ is: 'passphrase', key: 'Correct horse, Battery' })
  })
})
