/**
 * Makes of a video what is sent: a whole mp4 for all apps, and renditions as streams of encrypted segments, so that it plays
 * while it comes. What this browser can't encode goes as it is, in mp4. Metadata such as the place are left out. Runs in
 * the worker.
 */
import {
  BlobSource,
  BufferTarget,
  Conversion,
  type ConversionAudioOptions,
  type ConversionVideoOptions,
  EncodedPacketSink,
  Input,
  MP4,
  Mp4OutputFormat,
  NullTarget,
  Output,
  Quality
} from 'mediabunny'
import type { Bytes } from '../../local/bytes'
import { type Fragment, sealStream } from '../segmented-stream'
import { SegmentCipher } from '../segments'
import { canEncode, frameOf, openVideo, type Opened } from './input'
import { type Poster, posterOf } from './poster'
import { needsStreams, type Rendition, renditionsOf, SOUND } from './plan'

export interface EncodeOptions {
  /** Of the descriptor: 32 bytes, that were used for nothing else. */
  key: Bytes
  /** What is sent of it, in milliseconds from its start. */
  from: number
  to: number
  /** Without sound. */
  muted: boolean
  /** Bytes up to which a file is sent as a whole. */
  largest: number
}

export interface EncodedStream {
  name: string
  type: string
  width?: number
  height?: number
  bitrate: number
  index: [number, number]
  /** The ciphertext. */
  blob: Blob
}

export interface Encoded {
  width: number
  height: number
  /** Milliseconds. */
  duration: number
  /** An mp4 of at most `largest` bytes, or, if `segmented`, of any size. */
  whole: Blob
  segmented: boolean
  streams: EncodedStream[]
  poster: Poster | undefined
}

type Progress = (part: number) => void
interface Fragmented {
  init: Blob
  fragments: Fragment[]
  type: string
  size: number
}

/** Seconds of a segment. */
const SEGMENT = 2
const POSTER = 640
/** Frames a second: more cost twice as much, and hardly anybody sees them. */
const SMOOTH = 30
/** A video with at most so many times the bits that are wanted is not encoded again. */
const THRIFTY = 1.3
/** The seconds between key frames with which a copied video still begins quickly. */
const SPARSE = 4

/** Throws RangeError if it is no video that can be read. `progress`: from 0 to 1. */
export async function encode(file: Blob, options: EncodeOptions, progress: Progress): Promise<Encoded> {
  const opened = await openVideo(file)
  try {
    return await encodeOpened(file, opened, options, progress)
  } finally {
    opened.input.dispose()
  }
}

async function encodeOpened(
  file: Blob,
  opened: Opened,
  options: EncodeOptions,
  progress: Progress
): Promise<Encoded> {
  const trim = trimOf(opened, options)
  const seconds = trim.end - trim.start
  const { averageBitrate: rate, averagePacketRate: frames } = await opened.video.computePacketStats(100)
  const plan = renditionsOf(opened.width, opened.height, rate)
  const top = plan.at(-1) as Rendition
  const encodes = await canEncode(opened)
  const whole = trim.start === opened.start
  const copies = !encodes || (whole && rate <= top.bitrate * THRIFTY && (await streamable(opened, top)))
  const weight = weights(plan, encodes, copies)

  const video = copies ? {} : encoding(top, frames)
  const best = await fragmented(opened.input, { video, audio: { discard: true }, trim }, (part) => {
    progress(part * weight(0))
  })
  const sound =
    opened.audio && !options.muted
      ? await fragmented(opened.input, { video: { discard: true }, audio: await soundOf(opened), trim })
      : undefined
  const size = best.size + (sound?.size ?? 0)
  const frame = await frameOf(opened, trim.start - opened.start + Math.min(1, seconds / 10), POSTER)
  const poster = frame && (await posterOf(frame))
  const result = { width: opened.width, height: opened.height, duration: Math.round(seconds * 1000), poster }
  if (!copies) Object.assign(result, { width: top.width, height: top.height })

  const made: { rendition: Rendition; parts: Fragmented }[] = []
  const streamed = needsStreams(seconds, size)
  if (streamed && encodes) {
    const source = blobOf(best)
    for (const [at, rendition] of plan.slice(0, -1).entries()) {
      const input = new Input({ source: new BlobSource(source), formats: [MP4] })
      const done = weight(at + 1) - weight(at)
      const parts = await fragmented(
        input,
        { video: encoding(rendition, 0), audio: { discard: true } },
        (part) => {
          progress(weight(at) + part * done)
        }
      )
      input.dispose()
      made.push({ rendition, parts })
    }
  }
  made.push({
    rendition: { ...top, width: result.width, height: result.height },
    parts: best
  })

  const joined = await wholeOf(file, made, sound, options.largest)
  const streams = streamed ? await sealed(options.key, made, sound, seconds) : []
  progress(1)
  return { ...result, ...joined, streams }
}

/** The largest rendition that other apps can have whole, with the sound; otherwise the largest one for segments. */
async function wholeOf(
  file: Blob,
  made: { parts: Fragmented }[],
  sound: Fragmented | undefined,
  largest: number
): Promise<{ whole: Blob; segmented: boolean }> {
  const sizeOf = ({ parts }: { parts: Fragmented }): number => (parts.size + (sound?.size ?? 0)) * 1.02
  const fits = made.toReversed().find((one) => sizeOf(one) < largest)
  const chosen = fits ?? made[0]
  if (!chosen) return { whole: file, segmented: file.size > largest }
  const whole = await joinedOf(chosen.parts, sound)
  return { whole, segmented: whole.size > largest }
}

async function sealed(
  key: Bytes,
  made: { rendition: Rendition; parts: Fragmented }[],
  sound: Fragmented | undefined,
  seconds: number
): Promise<EncodedStream[]> {
  const streams: EncodedStream[] = []
  const add = async (name: string, parts: Fragmented, size?: { width: number; height: number }) => {
    const cipher = await SegmentCipher.of(key, name)
    const { blob, index } = await sealStream(cipher, [{ data: parts.init, ms: 0 }, ...parts.fragments])
    const bitrate = Math.round((parts.size * 8) / seconds)
    streams.push({ name, type: parts.type, ...size, bitrate, blob, index })
  }
  if (sound) await add('audio', sound)
  for (const { rendition, parts } of made) {
    const { name, width, height } = rendition
    await add(name, parts, { width, height })
  }
  return streams
}

function trimOf(opened: Opened, { from, to }: EncodeOptions): { start: number; end: number } {
  const end = opened.start + opened.duration
  const start = Math.min(opened.start + Math.max(0, from) / 1000, end - 0.1)
  return { start, end: Math.max(start + 0.1, Math.min(end, opened.start + to / 1000)) }
}

function encoding({ width, height, bitrate }: Rendition, frames: number): ConversionVideoOptions {
  return {
    ...{ width, height, fit: 'fill', codec: 'avc', quality: new Quality({ bitrate }) },
    ...{ keyFrameInterval: SEGMENT, forceTranscode: true, allowTransformationMetadata: false },
    ...(frames > SMOOTH * 1.2 && { frameRate: SMOOTH })
  }
}

/** AAC and Opus are copied; anything else is encoded, or goes as it is. */
async function soundOf({ audio }: Opened): Promise<ConversionAudioOptions> {
  const codec = await audio?.getCodec()
  return codec === 'aac' || codec === 'opus'
    ? {}
    : { codec: 'opus', quality: new Quality({ bitrate: SOUND }) }
}

/** Whether it can be sent without encoding it again: H.264, upright, small enough, and with enough key frames. */
async function streamable({ video, width, height }: Opened, top: Rendition): Promise<boolean> {
  if ((await video.getCodec()) !== 'avc' || (await video.getRotation()) !== 0) return false
  if (width > top.width || height > top.height) return false
  const sink = new EncodedPacketSink(video)
  let key = await sink.getFirstKeyPacket({ metadataOnly: true })
  for (let seen = 0; key && seen < 8; seen++) {
    const next = await sink.getNextKeyPacket(key, { metadataOnly: true })
    if (next && next.timestamp - key.timestamp > SPARSE) return false
    key = next
  }
  return true
}

interface Choice {
  video: ConversionVideoOptions
  audio: ConversionAudioOptions
  trim?: { start: number; end: number }
}

/** A file of fragments of about two seconds. Throws RangeError if the container can't have it. */
async function fragmented(input: Input, choice: Choice, progress?: Progress): Promise<Fragmented> {
  const init: Uint8Array[] = []
  const fragments: Fragment[] = []
  let head: { data: Uint8Array; ms: number } | undefined
  const format = new Mp4OutputFormat({
    fastStart: 'fragmented',
    minimumFragmentDuration: SEGMENT,
    onFtyp: (data) => init.push(data.slice()),
    onMoov: (data) => init.push(data.slice()),
    onMoof: (data, _, timestamp) => {
      head = { data: data.slice(), ms: Math.max(0, timestamp * 1000) }
    },
    onMdat: (data) => {
      if (head) fragments.push({ data: new Blob([head.data as Bytes, data.slice()]), ms: head.ms })
    }
  })
  const output = new Output({ format, target: new NullTarget() })
  const conversion = await Conversion.init({
    input,
    output,
    tracks: 'primary',
    ...choice,
    tags: {},
    showWarnings: false
  })
  if (!conversion.isValid || !conversion.utilizedTracks.length) throw new RangeError('no mp4 can have it')
  if (progress) conversion.onProgress = progress
  await conversion.execute()
  if (!fragments.length) throw new RangeError('nothing in it')
  const type = await output.getMimeType()
  const first = new Blob(init as Bytes[])
  const size = fragments.reduce((sum, { data }) => sum + data.size, first.size)
  return { init: first, fragments, type, size }
}

function blobOf({ init, fragments }: Fragmented): Blob {
  return new Blob([init, ...fragments.map(({ data }) => data)], { type: 'video/mp4' })
}

/** A plain mp4 with picture and sound, which begins with its index. */
async function joinedOf(picture: Fragmented, sound: Fragmented | undefined): Promise<Blob> {
  const target = new BufferTarget()
  const output = new Output({ format: new Mp4OutputFormat({ fastStart: 'in-memory' }), target })
  const inputs = [picture, ...(sound ? [sound] : [])].map(
    (one) => new Input({ source: new BlobSource(blobOf(one)), formats: [MP4] })
  )
  const conversions = await Promise.all(
    inputs.map((input) => Conversion.init({ input, output, composable: true, showWarnings: false }))
  )
  await output.start()
  await Promise.all(conversions.map((one) => one.execute()))
  await output.finalize()
  for (const input of inputs) input.dispose()
  return new Blob([target.buffer ?? ''], { type: 'video/mp4' })
}

/** How much is done when a rendition is, from 0 to 1; the first one made is the largest. */
function weights(plan: Rendition[], encodes: boolean, copies: boolean): (at: number) => number {
  const pixels = plan.map(({ width, height }) => width * height)
  const costs = [
    copies ? (pixels.at(-1) ?? 1) / 10 : (pixels.at(-1) ?? 1),
    ...(encodes ? pixels.slice(0, -1) : [])
  ]
  const all = costs.reduce((sum, one) => sum + one, 0)
  return (at) => costs.slice(0, at + 1).reduce((sum, one) => sum + one, 0) / all
}
