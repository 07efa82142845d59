/** Records from the microphone. */
import { run } from '../../media/worker-task'
import { levelOf, waveformOf } from '../../media/voice/waveform'

/**
 * Why there is no recording: the person or the system refuses the microphone, there is none, another program has it, or
 * the browser can't record (or does not on pages without TLS).
 */
export type NoMicrophone = 'denied' | 'missing' | 'busy' | 'unsupported'

export class NotRecorded extends Error {
  constructor(readonly reason: NoMicrophone) {
    super(reason)
  }
}

export interface Recording {
  blob: Blob
  type: string
  /** Milliseconds. */
  duration: number
  waveform: string
}

/** Bits per second. */
const RATE = 24_000
/** Milliseconds from one measurement of the level to the next. */
const STEP = 60
/** Measurements of a minute: more than the widest screen shows. */
const SHOWN = 1000
/** The longest recording; then it pauses. */
export const LONGEST = 3_600_000
const TYPES = ['audio/webm;codecs=opus', 'audio/mp4;codecs=opus', 'audio/ogg;codecs=opus', 'audio/mp4']

export class Recorder {
  state = $state<'recording' | 'paused' | 'ended'>('recording')
  /** Milliseconds. */
  duration = $state(0)
  /** The loudness of the last minute, from 0 to 1. */
  levels = $state.raw<readonly number[]>([])
  /** All of it. */
  private readonly measured: number[] = []
  private readonly chunks: Blob[] = []
  private readonly recorder: MediaRecorder
  private readonly context: AudioContext
  private readonly timer: ReturnType<typeof setInterval>
  private before = 0
  private since = performance.now()

  private constructor(private readonly stream: MediaStream) {
    const type = TYPES.find((one) => MediaRecorder.isTypeSupported(one)) ?? ''
    this.recorder = new MediaRecorder(stream, { mimeType: type, audioBitsPerSecond: RATE })
    this.recorder.ondataavailable = ({ data }) => {
      if (data.size) this.chunks.push(data)
    }
    // the microphone was unplugged: what was said until then remains
    for (const track of stream.getTracks())
      track.onended = () => {
        this.pause()
      }
    this.context = new AudioContext()
    const meter = this.context.createAnalyser()
    meter.fftSize = 2048
    this.context.createMediaStreamSource(stream).connect(meter)
    const samples = new Float32Array(meter.fftSize)
    this.timer = setInterval(() => {
      if (this.state !== 'recording') return
      meter.getFloatTimeDomainData(samples)
      this.measured.push(levelOf(samples))
      this.levels = this.measured.slice(-SHOWN)
      this.duration = this.before + performance.now() - this.since
      if (this.duration >= LONGEST) this.pause()
    }, STEP)
    this.recorder.start(1000)
  }

  /** Asks for the microphone if necessary, and records. Rejects with NotRecorded. */
  static async start(): Promise<Recorder> {
    if (typeof MediaRecorder === 'undefined' || !('mediaDevices' in navigator))
      throw new NotRecorded('unsupported')
    let stream: MediaStream
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true }
      })
    } catch (error) {
      throw new NotRecorded(reasonOf(error))
    }
    try {
      return new Recorder(stream)
    } catch {
      for (const track of stream.getTracks()) track.stop()
      throw new NotRecorded('unsupported')
    }
  }

  pause(): void {
    if (this.state !== 'recording') return
    this.before += performance.now() - this.since
    this.state = 'paused'
    if (this.recorder.state === 'recording') this.recorder.pause()
  }

  /** Whether it can go on: not if the microphone is gone, or it is long enough. */
  get resumable(): boolean {
    return this.recorder.state === 'paused' && this.duration < LONGEST
  }

  resume(): void {
    if (this.state !== 'paused' || !this.resumable) return
    this.since = performance.now()
    this.recorder.resume()
    this.state = 'recording'
  }

  /** What was recorded until now, to listen to while it is paused. */
  async soFar(): Promise<Recording> {
    if (this.recorder.state !== 'inactive') {
      const flushed = new Promise<void>((resolve) => {
        this.recorder.addEventListener('dataavailable', () => { resolve() }, { once: true }) // prettier-ignore
      })
      this.recorder.requestData()
      await flushed
    }
    return this.recording()
  }

  /** Ends it. */
  async finish(): Promise<Recording> {
    this.pause()
    if (this.recorder.state !== 'inactive') {
      const stopped = new Promise<void>((resolve) => {
        this.recorder.onstop = () => {
          resolve()
        }
      })
      this.recorder.stop()
      await stopped
    }
    this.cancel()
    return this.recording()
  }

  /** Ends it; nothing remains of it. */
  cancel(): void {
    clearInterval(this.timer)
    this.state = 'ended'
    if (this.recorder.state !== 'inactive') this.recorder.stop()
    for (const track of this.stream.getTracks()) track.stop()
    if (this.context.state !== 'closed') void this.context.close()
  }

  private async recording(): Promise<Recording> {
    const recorded = new Blob(this.chunks, { type: this.recorder.mimeType })
    const { blob, type, duration } = await run({ do: 'voice', recorded, rate: RATE }).done
    return { blob, type, duration: duration || this.duration, waveform: waveformOf(this.measured) }
  }
}

function reasonOf(error: unknown): NoMicrophone {
  const name = error instanceof DOMException ? error.name : ''
  if (name === 'NotAllowedError' || name === 'SecurityError') return 'denied'
  if (name === 'NotFoundError' || name === 'OverconstrainedError') return 'missing'
  return name === 'NotReadableError' || name === 'AbortError' ? 'busy' : 'unsupported'
}
