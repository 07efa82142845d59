/** Puts a recording into an Ogg file, which all apps that know voice messages play. */
import {
  ALL_FORMATS,
  BlobSource,
  BufferTarget,
  Conversion,
  Input,
  OggOutputFormat,
  Output,
  Quality
} from 'mediabunny'

export interface Voice {
  blob: Blob
  type: string
  /** Milliseconds. */
  duration: number
}

/** Opus is copied as it is; what else a browser records is encoded, or, if it can't be, stays in its own container. */
export async function voiceOf(recorded: Blob, rate: number): Promise<Voice> {
  const input = new Input({ source: new BlobSource(recorded), formats: ALL_FORMATS })
  const duration = (await input.computeDuration()) * 1000
  const target = new BufferTarget()
  const copied = (await (await input.getPrimaryAudioTrack())?.getCodec()) === 'opus'
  const conversion = await Conversion.init({
    input,
    output: new Output({ format: new OggOutputFormat(), target }),
    video: { discard: true },
    audio: copied ? {} : { codec: 'opus', numberOfChannels: 1, quality: new Quality({ bitrate: rate }) },
    tags: {},
    showWarnings: false
  })
  if (!conversion.isValid) return { blob: recorded, type: recorded.type.replace(/;.*/, ''), duration }
  await conversion.execute()
  return { blob: new Blob([target.buffer ?? ''], { type: 'audio/ogg' }), type: 'audio/ogg', duration }
}
