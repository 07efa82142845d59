import 'fake-indexeddb/auto'
import { expect, it } from 'vitest'
import { Database } from '../../src/local/database'
import { addSticker, removeSticker, stickerData, stickersOf } from '../../src/local/stickers'

const OWN = { id: 'own', name: '' }
const picture = (text: string): Blob => new Blob([text], { type: 'image/webp' })

it('a sticker stays as long as a pack or the favourites have it, and is kept once', async () => {
  const db = new Database('stickers')
  const id = await addSticker(db, picture('a cat'), OWN)
  expect(await addSticker(db, picture('a cat'))).toBe(id)
  const dog = await addSticker(db, picture('a dog'), OWN)
  expect(await stickersOf(db)).toEqual({ packs: [{ ...OWN, stickers: [dog, id] }], favourites: [id] })
  await removeSticker(db, id, OWN.id)
  expect(await (await stickerData(db, id))?.text()).toBe('a cat')
  await removeSticker(db, id)
  expect(await stickerData(db, id)).toBeUndefined()
  await removeSticker(db, dog, OWN.id)
  expect(await stickersOf(db)).toEqual({ packs: [], favourites: [] })
  expect(await db.blobs.count()).toBe(0)
})
