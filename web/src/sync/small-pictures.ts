/** Gives the small copies of pictures on this device; where one is missing, it is made, and stored. */
import type { Database } from '../local/database'
import { fileData } from '../local/files'
import { imageHeader } from '../local/image-header'
import { smallPicture, storeSmall, wantsSmall } from '../local/small-pictures'
import type { Moment } from '../local/types'
import { NoPicture } from '../media/no-picture'
import { inWorker } from '../media/worker'
import { NotHere } from './app'

/** How many are made at once. */
const AT_ONCE = 2

export class SmallPictures {
  private readonly making = new Map<string, Promise<Blob>>()
  /** What waits to be made: the last one first, since whoever scrolls has left the others behind. */
  private readonly waiting: (() => void)[] = []
  private running = 0

  constructor(
    private readonly db: Database,
    private readonly now: () => Moment
  ) {}

  /**
   * `id`: that of the file. The picture itself if it is small, or moves. The type is that of its bytes. Rejects with NotHere,
   * or NoPicture if nothing can be drawn of it.
   */
  async of(id: string): Promise<Blob> {
    const known = await smallPicture(this.db, id)
    if (known) return known
    const file = await fileData(this.db, id, this.now())
    if (!file) throw new NotHere()
    const header = await imageHeader(file)
    if (!header) throw new NoPicture()
    const typed = file.slice(0, file.size, header.type)
    if (!wantsSmall(header)) return typed
    const made = this.making.get(id) ?? this.make(id, typed)
    this.making.set(id, made)
    return made
  }

  private async make(id: string, file: Blob): Promise<Blob> {
    try {
      await this.turn()
      const small = await inWorker({ do: 'small', data: file })
      await storeSmall(this.db, id, small)
      return small
    } catch (error) {
      if (error instanceof NoPicture) throw error
      // a browser that can't draw in a worker, or has not enough memory or space for the copy
      console.debug('no small copy', error)
      return file
    } finally {
      this.running -= 1
      this.making.delete(id)
      this.waiting.pop()?.()
    }
  }

  private async turn(): Promise<void> {
    if (this.running >= AT_ONCE) await new Promise<void>((go) => this.waiting.push(go))
    this.running += 1
  }
}
