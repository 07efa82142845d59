/**
 * Plays a video from encrypted segments while they come, by MediaSource: in the quality that the connection allows, from
 * any place, and with bounded buffers. Nothing is played that was not authenticated.
 */
import type { Bytes } from '../../local/bytes'
import type { MediaStream as Described } from '../../local/media'
import { OpenedStream } from '../segmented-stream'
import { Forged, SegmentCipher } from '../segments'
import { pause } from '../pause'
import type { Source } from '../source'
import { throughput } from './throughput'

export interface StreamedVideo {
  /** Of the descriptor. */
  key: Bytes
  streams: readonly Described[]
  /** Milliseconds. */
  duration: number
  /** The ciphertext of a stream. Reading rejects with an AbortError when it is aborted. */
  source: (stream: Described) => Pick<Source, 'read'>
}

/** The height that is played is in `height`; the errors are a Forged or whatever reading rejects with. */
export interface PlayerEvents {
  quality?: (height: number) => void
  failed: (error: unknown) => void
}

/** Seconds that are fetched ahead, and kept behind. */
const AHEAD = 15
const BEHIND = 20
/** Milliseconds before a segment is tried again. */
const RETRIES = [300, 1000, 3000, 6000]

type Sources = Pick<typeof MediaSource, 'isTypeSupported'> & (new () => MediaSource)

function mediaSource(): Sources | undefined {
  // Safari on phones has only the managed one
  const all = globalThis as { MediaSource?: Sources; ManagedMediaSource?: Sources }
  return all.MediaSource ?? all.ManagedMediaSource
}

/** Whether this browser can play any of the renditions, and the sound if there is one. */
export function playable(streams: readonly Described[]): boolean {
  const sources = mediaSource()
  if (!sources) return false
  const right = streams.filter(({ type }) => sources.isTypeSupported(type))
  const sound = streams.find(({ name }) => name === 'audio')
  return right.some(({ name }) => name !== 'audio') && (!sound || right.includes(sound))
}

export class StreamPlayer {
  private readonly ended = new AbortController()
  private readonly sources = new (mediaSource() as Sources)()
  private readonly url = URL.createObjectURL(this.sources)
  private seeks = new AbortController()
  private readonly tracks: Track[] = []
  private quality: number | undefined

  constructor(
    private readonly element: HTMLVideoElement,
    private readonly video: StreamedVideo,
    private readonly events: PlayerEvents
  ) {
    element.disableRemotePlayback = true // the managed source demands it
    element.addEventListener('seeking', this.seeked)
    this.sources.addEventListener('sourceopen', () => {
      this.run().catch((error: unknown) => {
        if (!this.ended.signal.aborted) this.events.failed(error)
      })
    }, { once: true }) // prettier-ignore
    element.src = this.url
  }

  /** Plays only this height from now on; undefined: whatever the connection allows. */
  choose(height: number | undefined): void {
    this.quality = height
  }

  close(): void {
    this.ended.abort()
    this.seeks.abort()
    this.element.removeEventListener('seeking', this.seeked)
    this.element.removeAttribute('src')
    this.element.load()
    URL.revokeObjectURL(this.url)
  }

  private readonly seeked = (): void => {
    const { currentTime } = this.element
    if (this.tracks.every((track) => track.has(currentTime))) return
    this.seeks.abort()
    this.seeks = new AbortController()
  }

  private async run(): Promise<void> {
    const { key, streams, source, duration } = this.video
    const usable = streams.filter(({ type }) => mediaSource()?.isTypeSupported(type))
    const pictures = usable
      .filter(({ name }) => name !== 'audio')
      .toSorted((a, b) => (a.bitrate ?? 0) - (b.bitrate ?? 0))
    const sound = usable.find(({ name }) => name === 'audio')
    const open = (stream: Described): Lazy => {
      let opened: Promise<OpenedStream> | undefined
      return {
        stream,
        open: () =>
          (opened ??= SegmentCipher.of(key, stream.name).then((cipher) =>
            OpenedStream.open(cipher, measured(source(stream)), stream.index, this.ended.signal)
          )),
        forget: () => {
          opened = undefined
        }
      }
    }
    if (!pictures.length) throw new Forged('no rendition that can be played')
    if (duration > 0) this.sources.duration = duration / 1000
    const shared = sound?.bitrate ?? 0
    const bitrates = pictures.map(({ bitrate }) => bitrate ?? 0)
    const pick = (ahead: number, current: number): number => {
      const chosen = pictures.findIndex(({ height }) => height === this.quality)
      return chosen >= 0 ? chosen : throughput.choose(bitrates, shared, ahead, current)
    }
    this.tracks.push(new Track(this.sources, this.element, pictures.map(open), pick))
    if (sound) this.tracks.push(new Track(this.sources, this.element, [open(sound)], () => 0))
    const heights = (at: number): void => {
      this.events.quality?.(pictures[at]?.height ?? 0)
    }
    while (!this.ended.signal.aborted) {
      const { signal } = this.seeks
      try {
        await Promise.all(this.tracks.map((track, at) => track.fill(signal, at === 0 ? heights : undefined)))
        if (this.sources.readyState === 'open') this.sources.endOfStream()
        await aborted(signal)
      } catch (error) {
        if (!signal.aborted) throw error
      }
      // after a seek, all tracks have stopped before they begin again
      await Promise.all(this.tracks.map((track) => track.idle))
    }
  }
}

interface Lazy {
  stream: Described
  open: () => Promise<OpenedStream>
  forget: () => void
}

/** The picture in one of its renditions, or the sound. */
class Track {
  /** Resolves when nothing is being fetched or appended. */
  idle: Promise<unknown> = Promise.resolve()
  private readonly buffer: SourceBuffer
  private current = -1

  constructor(
    sources: MediaSource,
    private readonly element: HTMLVideoElement,
    private readonly renditions: Lazy[],
    private readonly pick: (ahead: number, current: number) => number
  ) {
    this.buffer = sources.addSourceBuffer(renditions[0]?.stream.type ?? '')
  }

  has(time: number): boolean {
    return this.ahead(time) > 0
  }

  /** Fetches what is needed from where the video is, until its end. */
  fill(signal: AbortSignal, chosen?: (rendition: number) => void): Promise<void> {
    const work = this.work(signal, chosen)
    this.idle = work.catch(() => undefined)
    return work
  }

  private async work(signal: AbortSignal, chosen?: (rendition: number) => void): Promise<void> {
    let next: number | undefined
    for (;;) {
      signal.throwIfAborted()
      const time = this.element.currentTime
      const ahead = this.ahead(time)
      if (ahead > AHEAD) {
        await pause(250, signal)
        continue
      }
      const wanted = this.pick(ahead, this.current)
      const rendition = this.renditions[wanted]
      if (!rendition) return
      const opened = await persistently(rendition.open, signal, rendition.forget)
      const at = next === undefined ? opened.at((time + ahead) * 1000 + 1) : opened.at(next)
      const segment = opened.segments[at]
      if (!segment || at === 0) return
      if (wanted !== this.current) {
        // the beginning of another rendition, and its first fragment with it
        const [init, data] = await Promise.all([
          persistently(() => opened.read(0, signal), signal),
          persistently(() => opened.read(at, signal), signal)
        ])
        await this.switch(rendition.stream.type, init)
        this.current = wanted
        chosen?.(wanted)
        await this.append(data)
      } else await this.append(await persistently(() => opened.read(at, signal), signal))
      const following = opened.segments[at + 1]
      if (!following) return
      next = following.ms + 1
      await this.drop(this.element.currentTime - BEHIND)
    }
  }

  private ahead(time: number): number {
    const { buffered } = this.buffer
    for (let at = 0; at < buffered.length; at++)
      // the picture and the sound may begin a little later than they should
      if (buffered.start(at) <= time + 0.2 && buffered.end(at) > time) return buffered.end(at) - time
    return 0
  }

  private async switch(type: string, init: Bytes): Promise<void> {
    if (this.current >= 0) this.buffer.changeType(type)
    await this.append(init)
  }

  private async append(data: Bytes): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        await this.updated(() => {
          this.buffer.appendBuffer(data)
        })
        return
      } catch (error) {
        // the browser's own bound is smaller than ours
        if (!(error instanceof DOMException && error.name === 'QuotaExceededError') || tries > 2) throw error
        await this.drop(this.element.currentTime - 2)
      }
    }
  }

  /** Removes what was played, up to a time. */
  private async drop(until: number): Promise<void> {
    const { buffered } = this.buffer
    if (!buffered.length || until <= buffered.start(0)) return
    await this.updated(() => {
      this.buffer.remove(0, until)
    })
  }

  private updated(start: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const over = new AbortController()
      const { signal } = over
      const end = (error?: Error): void => {
        over.abort()
        if (error) reject(error)
        else resolve()
      }
      this.buffer.addEventListener('updateend', () => { end() }, { signal }) // prettier-ignore
      this.buffer.addEventListener('error', () => { end(new Forged('no video')) }, { signal }) // prettier-ignore
      try {
        start()
      } catch (error) {
        end(error as Error)
      }
    })
  }
}

/** Measures what is read. */
function measured(source: Pick<Source, 'read'>): Pick<Source, 'read'> {
  return {
    async read(from, to, signal) {
      const begun = performance.now()
      const data = await source.read(from, to, signal)
      throughput.measured(data.length, performance.now() - begun)
      return data
    }
  }
}

/** Tries again what fails by the network; not what was forged. */
async function persistently<T>(work: () => Promise<T>, signal: AbortSignal, forget?: () => void): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      forget?.()
      signal.throwIfAborted()
      const wait = RETRIES[attempt]
      if (error instanceof Forged || wait === undefined) throw error
      await pause(wait, signal)
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => { resolve() }, { once: true }) // prettier-ignore
  })
}
