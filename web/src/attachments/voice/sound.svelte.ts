/** What can be heard: one sound at a time in the whole app, at one speed for all voice messages. */
import { recall, remember } from '../../local/browser-storage'

export interface Track {
  /** The message, or another name of it. */
  id: string
  /** The file. Rejects if it can't be had. */
  load: () => Promise<Blob>
  /** Milliseconds, as the descriptor says. */
  duration: number
  /** Voice: at the chosen speed. */
  voice: boolean
  /** It begins to be heard. */
  started?: () => void
  /** What plays after it by itself. */
  next?: () => Promise<Track | undefined>
}

const RATES = [1, 1.5, 2]
const STORED = 'kith.voice-rate'

class Sound {
  id = $state<string>()
  state = $state<'idle' | 'loading' | 'playing' | 'paused'>('idle')
  /** Milliseconds. */
  position = $state(0)
  duration = $state(0)
  rate = $state(1)
  /** The one that could not be played. */
  failed = $state<string>()
  private track: Track | undefined
  private audio: HTMLAudioElement | undefined
  private url = ''
  private frame = 0

  constructor() {
    const stored = Number(recall(STORED))
    if (RATES.includes(stored)) this.rate = stored
  }

  /** Plays it, from a place in milliseconds; or goes on where it was paused. */
  async play(track: Track, from?: number): Promise<void> {
    if (this.id === track.id && this.audio) {
      if (from !== undefined) this.seek(from)
      if (this.state === 'paused') await this.audio.play()
      return
    }
    this.stop()
    this.track = track
    this.id = track.id
    this.state = 'loading'
    this.failed = undefined
    this.duration = track.duration
    this.position = from ?? 0
    try {
      const blob = await track.load()
      if (this.track !== track) return
      await this.start(blob, track)
    } catch {
      // also a file that this browser can't play
      if (this.track !== track) return
      this.stop()
      this.failed = track.id
    }
  }

  pause(): void {
    this.audio?.pause()
  }

  stop(): void {
    cancelAnimationFrame(this.frame)
    this.audio?.pause()
    this.audio?.removeAttribute('src')
    if (this.url) URL.revokeObjectURL(this.url)
    this.track = undefined
    this.audio = undefined
    this.url = ''
    this.id = undefined
    this.state = 'idle'
    this.position = 0
  }

  /** To a place in milliseconds. */
  seek(to: number): void {
    this.position = Math.min(Math.max(0, to), this.duration)
    if (this.audio) this.audio.currentTime = this.position / 1000
  }

  /** The next speed. */
  faster(): void {
    this.rate = RATES[(RATES.indexOf(this.rate) + 1) % RATES.length] ?? 1
    remember(STORED, String(this.rate))
    if (this.audio && this.track?.voice) this.audio.playbackRate = this.rate
  }

  private async start(blob: Blob, track: Track): Promise<void> {
    const audio = new Audio()
    this.audio = audio
    this.url = URL.createObjectURL(blob)
    audio.preservesPitch = true
    audio.onloadedmetadata = () => {
      if (Number.isFinite(audio.duration) && audio.duration > 0) this.duration = audio.duration * 1000
    }
    audio.onplay = () => {
      if (this.audio !== audio) return
      this.state = 'playing'
      this.follow()
    }
    audio.onpause = () => {
      if (this.audio === audio && !audio.ended) this.state = 'paused'
    }
    audio.onended = () => {
      if (this.audio === audio) void this.goOn(track)
    }
    audio.src = this.url
    if (this.position) audio.currentTime = this.position / 1000
    audio.defaultPlaybackRate = audio.playbackRate = track.voice ? this.rate : 1
    await audio.play()
    track.started?.()
  }

  private async goOn(track: Track): Promise<void> {
    this.stop()
    const next = await track.next?.()
    if (next && (this.state as string) === 'idle') await this.play(next)
  }

  private follow(): void {
    cancelAnimationFrame(this.frame)
    const step = (): void => {
      if (!this.audio || this.state !== 'playing') return
      this.position = this.audio.currentTime * 1000
      this.frame = requestAnimationFrame(step)
    }
    step()
  }
}

export const sound = new Sound()
