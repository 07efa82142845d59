import { describe, expect, it } from 'vitest'
import { base64urlnopad } from '@scure/base'
import type { Bytes } from '../../src/local/bytes'
import { Channel, Forged, newSecret } from '../../src/history/seal'
import { fc } from './arbitrary'

const secret = base64urlnopad.encode(newSecret())
const text = (value: string): Bytes => new TextEncoder().encode(value) as Bytes
const plain = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

async function two(id = 'transfer', other = secret): Promise<[Channel, Channel]> {
  return [await Channel.open(secret, id, 'giver'), await Channel.open(other, id, 'taker')]
}

describe('what goes between two devices', () => {
  it('is read by the other, as the answer to its question', async () => {
    const [giver, taker] = await two()
    const question = await taker.seal(text('more'))
    expect(plain(await giver.open(question))).toBe('more')
    expect(plain(await taker.open(await giver.seal(text('part'), question), question))).toBe('part')
  })

  it('is not taken for the answer to another question, however alike', async () => {
    const [giver, taker] = await two()
    const [first, second] = [await taker.seal(text('more')), await taker.seal(text('more'))]
    const answer = await giver.seal(text('part'), first)
    await expect(taker.open(answer, second)).rejects.toThrow(Forged)
    await expect(taker.open(answer)).rejects.toThrow(Forged)
  })

  it('is not read by who has sent it', async () => {
    const [giver, taker] = await two()
    const question = await taker.seal(text('more'))
    await expect(taker.open(question)).rejects.toThrow(Forged)
    const answer = await giver.seal(text('part'), question)
    await expect(giver.open(answer, question)).rejects.toThrow(Forged)
  })

  it('is nothing in another transfer, nor with another secret', async () => {
    const [giver] = await two()
    const [, elsewhere] = await two('another')
    const [, stranger] = await two('transfer', base64urlnopad.encode(newSecret()))
    const sealed = await giver.seal(text('part'))
    await expect(elsewhere.open(sealed)).rejects.toThrow(Forged)
    await expect(stranger.open(sealed)).rejects.toThrow(Forged)
  })

  it('is noticed if a single bit of it was changed, or it was cut', async () => {
    const [giver, taker] = await two()
    const sealed = await giver.seal(text('part of the history'))
    await fc.assert(
      fc.asyncProperty(fc.nat(sealed.length * 8 - 1), async (bit) => {
        const changed = sealed.slice()
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        await expect(taker.open(changed)).rejects.toThrow(Forged)
        await expect(taker.open(sealed.slice(0, bit >> 3))).rejects.toThrow(Forged)
      })
    )
  })
})
