/** A video that was chosen to be sent: what of it, and its encoding. */
import { fromBase64 } from '../../local/bytes'
import { LARGEST_WHOLE, LONGEST_LOOP, type Media } from '../../local/media'
import { newSecret } from '../../media/cipher'
import type { Probed } from '../../media/video/input'
import { type Running, run } from '../../media/worker-task'
import type { MediaItem } from '../../sync/app'

/** Pictures of the strip, and the longer side of each in pixels. */
const FRAMES = 8
const SIDE = 200
/** Milliseconds: nothing shorter is cut out. */
export const SHORTEST = 1000

export class VideoDraft {
  probed = $state.raw<Probed>()
  /** Addresses of pictures of it, from the beginning to the end. */
  frames = $state.raw<string[]>([])
  /** This browser can't read it, so it goes as a document. */
  unreadable = $state(false)
  /** Milliseconds from its beginning: what is sent. */
  from = $state(0)
  to = $state(0)
  muted = $state(false)
  /** It is to play again and again, without sound. */
  private wantsLoop = $state(false)
  /** From 0 to 1; undefined: it is not being encoded. */
  progress = $state<number>()
  readonly url: string
  private readonly looking: Promise<void>
  private encoding: Running<unknown> | undefined
  private ended = false

  constructor(private readonly file: File) {
    this.url = URL.createObjectURL(file)
    this.looking = this.look()
  }

  get duration(): number {
    return this.probed?.duration ?? 0
  }

  /** Whether it is short enough to play by itself. */
  get mayLoop(): boolean {
    return this.to - this.from <= LONGEST_LOOP
  }

  get loop(): boolean {
    return this.wantsLoop && this.mayLoop
  }

  set loop(on: boolean) {
    this.wantsLoop = on
  }

  /** Whether somebody has decided something about it. */
  get changed(): boolean {
    return this.from > 0 || this.to < this.duration || this.muted || this.loop
  }

  end(): void {
    this.ended = true
    this.cancel()
    for (const url of [this.url, ...this.frames]) URL.revokeObjectURL(url)
  }

  cancel(): void {
    this.encoding?.cancel()
  }

  /**
   * Encodes it, and resolves to what is sent; undefined: it can't be read, so it goes as a document. Rejects with an
   * AbortError if it was cancelled.
   */
  async item(common: Pick<Media, 'album' | 'once'>, caption: string): Promise<MediaItem | undefined> {
    await this.looking
    if (this.unreadable) return undefined
    const { from, to, loop, file } = this
    const muted = this.muted || loop
    const secret = newSecret()
    this.progress = 0
    const options = { key: fromBase64(secret.key), from, to, muted, largest: LARGEST_WHOLE }
    const running = run({ do: 'encode', file, options }, (part) => {
      this.progress = part
    })
    this.encoding = running
    try {
      const { whole, streams, poster, width, height, duration } = await running.done
      const media: Media = {
        ...{ kind: 'video', type: 'video/mp4', name: nameOf(file.name), width, height, duration },
        ...{ ...common, ...secret, ...poster },
        // the encoded one may be a frame longer than what was chosen
        ...(loop && { loop: true as const, duration: Math.min(duration, LONGEST_LOOP) }),
        ...(streams.length && { streams: streams.map(({ blob, ...stream }) => (void blob, stream)) })
      }
      const blobs = Object.fromEntries(streams.map(({ name, blob }) => [name, blob]))
      return { media, caption, data: whole, streams: blobs }
    } finally {
      this.progress = undefined
      this.encoding = undefined
    }
  }

  private async look(): Promise<void> {
    try {
      const probed = await run({ do: 'probe', file: this.file }).done
      this.to = probed.duration
      this.probed = probed
      const pictures = await run({ do: 'strip', file: this.file, count: FRAMES, side: SIDE }).done
      if (!this.ended) this.frames = pictures.map((picture) => URL.createObjectURL(picture))
    } catch {
      // a file that nothing here can read; without the strip, it is sent all the same
      this.unreadable = this.probed === undefined
    }
  }
}

function nameOf(name: string): string {
  return `${name.replace(/\.[^.]*$/, '') || 'video'}.mp4`
}
