/**
 * Small copies of the pictures on this device, which conversations show: a picture of a camera takes long to decode, and a
 * chat may have thousands. They stay in the table `smalls` as long as the pictures do (`files.ts`).
 */
import type { Database } from './database'

/** The longer side in pixels: that of a bubble on a screen with two pixels for each of CSS. */
export const SMALL_SIDE = 640
/** Pictures with so many pixels, or fewer, are shown as they are. */
const SMALL_ENOUGH = 800 * 800

/** Whether a small copy of a picture is of any use. What moves is shown as it is. */
export function wantsSmall(header: { width: number; height: number; moves?: true }): boolean {
  return !header.moves && header.width * header.height > SMALL_ENOUGH
}

/** The size of a picture whose longer side has at most so many pixels. */
export function smallSize(
  { width, height }: { width: number; height: number },
  side: number
): { width: number; height: number } {
  const scale = Math.min(1, side / Math.max(width, height))
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) }
}

export async function storeSmall(db: Database, id: string, small: Blob): Promise<void> {
  const data = new Uint8Array(await small.arrayBuffer())
  await db.transaction('rw', db.files, db.smalls, async () => {
    // it may have been removed meanwhile
    if (await db.files.get(id)) await db.smalls.put({ id, type: small.type, data })
  })
}

/** Undefined: there is none. */
export async function smallPicture(db: Database, id: string): Promise<Blob | undefined> {
  const row = await db.smalls.get(id)
  return row && new Blob([row.data], { type: row.type })
}
