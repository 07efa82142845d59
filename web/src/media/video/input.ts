/** What a video file contains. Runs in the worker. */
import {
  ALL_FORMATS,
  BlobSource,
  canEncodeVideo,
  CanvasSink,
  Input,
  type InputAudioTrack,
  type InputVideoTrack
} from 'mediabunny'
import { smallSize } from '../../local/small-pictures'

/** A video as the person is shown it before it is sent. */
export interface Probed {
  width: number
  height: number
  /** Milliseconds. */
  duration: number
  /** Whether it can be made smaller here. */
  encodable: boolean
  sound: boolean
  /** A picture of it in the beginning, at most 1280 pixels long; undefined: this browser can't decode it. */
  poster: Blob | undefined
}

export interface Opened {
  input: Input
  video: InputVideoTrack
  audio: InputAudioTrack | undefined
  width: number
  height: number
  /** Seconds. */
  start: number
  duration: number
}

/** What no video has. */
const LONGEST_SIDE = 16_384
const POSTER = 1280

/** Throws RangeError if it is no video that can be read. */
export async function openVideo(file: Blob): Promise<Opened> {
  const input = new Input({ source: new BlobSource(file), formats: ALL_FORMATS })
  try {
    const video = await input.getPrimaryVideoTrack()
    if (!video) throw new RangeError('no video')
    const audio = (await input.getPrimaryAudioTrack()) ?? undefined
    const [width, height] = [await video.getDisplayWidth(), await video.getDisplayHeight()]
    const start = Math.max(0, await video.getFirstTimestamp())
    const duration = (await input.computeDuration()) - start
    const right = width > 0 && height > 0 && width <= LONGEST_SIDE && height <= LONGEST_SIDE
    if (!right || !(duration > 0)) throw new RangeError('no picture')
    return { input, video, audio, width, height, start, duration }
  } catch (error) {
    input.dispose()
    throw error instanceof RangeError ? error : new RangeError(String(error))
  }
}

export async function canEncode({ video, width, height }: Opened): Promise<boolean> {
  try {
    return (
      (await video.canDecode()) && (await canEncodeVideo('avc', { width: even(width), height: even(height) }))
    )
  } catch {
    return false // no WebCodecs
  }
}

export async function probe(file: Blob): Promise<Probed> {
  const opened = await openVideo(file)
  try {
    const { width, height, duration, audio } = opened
    const poster = await frameOf(opened, Math.min(1, duration / 10), POSTER)
    return {
      ...{ width, height, duration: Math.round(duration * 1000), sound: audio !== undefined },
      ...{ poster, encodable: await canEncode(opened) }
    }
  } finally {
    opened.input.dispose()
  }
}

/** Pictures in equal distances, for choosing what to send: as many as can be decoded. */
export async function strip(file: Blob, count: number, side: number): Promise<Blob[]> {
  const opened = await openVideo(file)
  try {
    const found: Blob[] = []
    if (!(await decodes(opened))) return found
    const sink = sinkOf(opened, side, count)
    const times = Array.from(
      { length: count },
      (_, at) => opened.start + ((at + 0.5) * opened.duration) / count
    )
    for await (const frame of sink.canvasesAtTimestamps(times))
      if (frame) found.push(await pictureOf(frame.canvas))
    return found
  } finally {
    opened.input.dispose()
  }
}

/** The picture at a moment, in seconds from the start, as JPEG. */
export async function frameOf(opened: Opened, at: number, side: number): Promise<Blob | undefined> {
  if (!(await decodes(opened))) return undefined
  const frame = await sinkOf(opened, side, 1).getCanvas(opened.start + at)
  return frame ? pictureOf(frame.canvas) : undefined
}

async function decodes({ video }: Opened): Promise<boolean> {
  try {
    return await video.canDecode()
  } catch {
    return false
  }
}

function sinkOf(opened: Opened, side: number, poolSize: number): CanvasSink {
  return new CanvasSink(opened.video, { ...smallSize(opened, side), fit: 'fill', poolSize })
}

async function pictureOf(canvas: HTMLCanvasElement | OffscreenCanvas): Promise<Blob> {
  return (canvas as OffscreenCanvas).convertToBlob({ type: 'image/jpeg', quality: 0.8 })
}

function even(value: number): number {
  return Math.ceil(value / 2) * 2
}
