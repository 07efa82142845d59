/** The stickers on this device: packs, and favourites. Their pictures are in the table `blobs`. */
import { base64 } from '@scure/base'
import type { Database } from './database'

export interface StickerPack {
  id: string
  name: string
  /** Ids of the stickers, which are digests of their pictures. */
  stickers: string[]
}

export interface Stickers {
  packs: StickerPack[]
  /** The newest first. */
  favourites: string[]
}

/** A fact. */
const STICKERS = 'stickers'
/** The largest that is accepted, in bytes; and how many a pack has. */
export const LARGEST_STICKER = 512 * 1024
export const MOST_STICKERS = 120

export async function stickersOf(db: Database): Promise<Stickers> {
  return (await db.fact<Stickers>(STICKERS)) ?? { packs: [], favourites: [] }
}

export async function stickerData(db: Database, id: string): Promise<Blob | undefined> {
  return (await db.blobs.get(`sticker ${id}`))?.data
}

/** Adds a sticker to a pack; `pack` undefined: to the favourites. */
export async function addSticker(
  db: Database,
  data: Blob,
  pack?: { id: string; name: string }
): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', await data.arrayBuffer())
  const id = base64.encode(new Uint8Array(digest))
  await db.transaction('rw', db.facts, db.blobs, async () => {
    await db.blobs.put({ id: `sticker ${id}`, data })
    const { packs, favourites } = await stickersOf(db)
    const first = <T>(list: T[], one: T): T[] =>
      [one, ...list.filter((other) => other !== one)].slice(0, MOST_STICKERS)
    if (!pack) {
      await db.setFact(STICKERS, { packs, favourites: first(favourites, id) })
      return
    }
    const known = packs.find((one) => one.id === pack.id) ?? { ...pack, stickers: [] }
    const changed = { ...known, stickers: first(known.stickers, id) }
    const others = packs.filter((one) => one.id !== pack.id)
    await db.setFact(STICKERS, { packs: [changed, ...others], favourites })
  })
  return id
}

/** Removes a sticker from a pack; `pack` undefined: from the favourites. Packs without stickers go. */
export async function removeSticker(db: Database, id: string, pack?: string): Promise<void> {
  await db.transaction('rw', db.facts, db.blobs, async () => {
    const { packs, favourites } = await stickersOf(db)
    const without = (list: string[]): string[] => list.filter((one) => one !== id)
    const rest: Stickers = {
      packs: packs
        .map((one) => (one.id === pack ? { ...one, stickers: without(one.stickers) } : one))
        .filter(({ stickers }) => stickers.length),
      favourites: pack === undefined ? without(favourites) : favourites
    }
    await db.setFact(STICKERS, rest)
    const used = rest.favourites.includes(id) || rest.packs.some(({ stickers }) => stickers.includes(id))
    if (!used) await db.blobs.delete(`sticker ${id}`)
  })
}
