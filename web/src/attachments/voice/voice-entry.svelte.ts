/** A voice message that is being recorded in a chat: held, locked, or listened to before it is sent. */
import { NotRecorded, type NoMicrophone, Recorder, type Recording } from './recorder.svelte'
import { sound } from './sound.svelte'

/** Milliseconds: a shorter press is a tap, which records hands-free; a shorter recording is not sent. */
const TAP = 350
const SHORTEST = 700

export type VoiceState =
  'idle' | 'asking' | 'held' | 'locked' /** Paused, to be listened to. */ | 'preview' | 'refused'

export class VoiceEntry {
  state = $state<VoiceState>('idle')
  recorder = $state.raw<Recorder>()
  recording = $state.raw<Recording>()
  refusal = $state<NoMicrophone>()
  /** The last one was too short. */
  short = $state(false)
  private pressed = 0
  private holding = false

  /** `send`: for a recording that is finished. */
  constructor(private readonly send: (recording: Recording) => void) {}

  get active(): boolean {
    return this.state !== 'idle' && this.state !== 'refused'
  }

  /** The button is pressed; by the keyboard, `hold` is false. */
  async begin(hold: boolean): Promise<void> {
    if (this.active) return
    this.short = false
    this.holding = hold
    this.pressed = performance.now()
    this.state = 'asking'
    sound.pause()
    try {
      this.recorder = await Recorder.start()
    } catch (error) {
      if (!(error instanceof NotRecorded)) throw error
      this.refusal = error.reason
      this.state = 'refused'
      return
    }
    // cancelled while the browser asked
    if ((this.state as VoiceState) !== 'asking') this.recorder.cancel()
    else this.state = this.holding ? 'held' : 'locked'
  }

  /** The button is released. */
  release(): void {
    this.holding = false
    if (this.state !== 'held') return
    if (performance.now() - this.pressed < TAP) this.state = 'locked'
    else void this.finish()
  }

  lock(): void {
    this.holding = false
    if (this.state === 'held') this.state = 'locked'
  }

  cancel(): void {
    this.recorder?.cancel()
    this.clear()
  }

  /** Stops for now, to be listened to. */
  async preview(): Promise<void> {
    const { recorder } = this
    if (!recorder || (this.state !== 'locked' && this.state !== 'held')) return
    recorder.pause()
    this.state = 'preview'
    this.recording = undefined
    const recording = await recorder.soFar()
    if (this.recorder === recorder && this.state === 'preview') this.recording = recording
  }

  resume(): void {
    if (this.state !== 'preview' || !this.recorder?.resumable) return
    sound.stop()
    this.recording = undefined
    this.recorder.resume()
    this.state = 'locked'
  }

  async finish(): Promise<void> {
    const { recorder, recording } = this
    if (!recorder) {
      if (recording) this.send(recording)
      this.clear()
      return
    }
    if (recorder.duration < SHORTEST) {
      this.cancel()
      this.short = true
      return
    }
    const finished = recorder.finish()
    this.clear()
    this.send(await finished)
  }

  /** The chat is left: the microphone is switched off, and what was said stays here. */
  async leave(): Promise<void> {
    const { recorder } = this
    if (!recorder || recorder.duration < SHORTEST) {
      this.cancel()
      return
    }
    this.state = 'preview'
    this.recording = await recorder.finish()
    this.recorder = undefined
  }

  /** Takes a recording that was kept. */
  restore(recording: Recording): void {
    this.recording = recording
    this.state = 'preview'
  }

  dismiss(): void {
    if (this.state === 'refused') this.state = 'idle'
  }

  private clear(): void {
    if (this.state === 'preview') sound.stop()
    this.recorder = undefined
    this.recording = undefined
    this.state = 'idle'
  }
}
