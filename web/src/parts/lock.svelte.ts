/** Whether the app is locked in this browser, and when it locks itself. */
import { deviceTime } from '../local/device-time'
import { recall, remember } from '../local/browser-storage'
import { confirmed, isCorrectPin, waitAfter, type Secret } from './lock-secret'

const NAME = 'kith.lock'
const NOW = 'kith.lock.now'
/** Milliseconds between checks. */
const LOOK_MS = 5000
/** Minutes without activity until the app locks; 0: as soon as its window is hidden. */
export const MINUTES = [0, 1, 5, 15, 60] as const
const SIGNS = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart'] as const

interface Kept {
  secret: Secret
  minutes: number
  /** The number of wrong PINs in a row, and until when no PIN is accepted. */
  wrong: number
  until: number
}

function read(): Kept | undefined {
  try {
    const kept = JSON.parse(recall(NAME) ?? 'null') as Kept | null
    return kept?.secret ? kept : undefined
  } catch {
    return undefined
  }
}

export class Lock {
  #kept = $state.raw<Kept | undefined>(read())
  /** The app starts locked. */
  #locked = $state(this.#kept !== undefined)
  private seen = deviceTime()

  get kind(): Secret['kind'] | undefined {
    return this.#kept?.secret.kind
  }

  get minutes(): number {
    return this.#kept?.minutes ?? 5
  }

  set minutes(minutes: number) {
    if (this.#kept) this.keep({ ...this.#kept, minutes })
  }

  get locked(): boolean {
    return this.#locked
  }

  /** Milliseconds until a PIN is accepted again. */
  get wait(): number {
    return Math.max(0, (this.#kept?.until ?? 0) - deviceTime())
  }

  /** Sets the lock. False: the browser can't store it. */
  set(secret: Secret): boolean {
    const kept = this.keep({ secret, minutes: this.minutes, wrong: 0, until: 0 })
    if (!kept) this.#kept = undefined
    return kept
  }

  /** Locks all windows. */
  lock(): void {
    if (!this.#kept) return
    this.#locked = true
    remember(NOW, String(deviceTime()))
  }

  /** Whether the PIN is right. */
  async open(pin: string): Promise<boolean> {
    const kept = this.#kept
    if (kept?.secret.kind !== 'pin' || this.wait > 0) return false
    // counted before it is checked, so that a reload in between does not undo the attempt
    const wrong = kept.wrong + 1
    this.keep({ ...kept, wrong, until: deviceTime() + waitAfter(wrong) })
    if (!(await isCorrectPin(kept.secret, pin))) return false
    this.opened(kept)
    return true
  }

  /** Whether the device has verified its user. Rejects if they cancel. */
  async confirm(): Promise<boolean> {
    const kept = this.#kept
    if (kept?.secret.kind !== 'passkey') return false
    if (!(await confirmed(kept.secret))) return false
    this.opened(kept)
    return true
  }

  /** Removes the lock. */
  remove(): void {
    localStorage.removeItem(NAME)
    localStorage.removeItem(NOW)
    this.#kept = undefined
    this.#locked = false
  }

  /** Watches for activity and for the other windows. Returns a function that stops it. */
  watch(): () => void {
    const sign = (): void => {
      this.look()
      if (!this.#locked) this.seen = deviceTime()
    }
    const look = (): void => {
      this.look()
    }
    const hidden = (): void => {
      if (document.visibilityState === 'hidden' && this.#kept?.minutes === 0) this.#locked = true
      this.look()
    }
    const other = (event: StorageEvent): void => {
      if (event.key === NOW && this.#kept) this.#locked = true
      if (event.key !== NAME) return
      this.#kept = read()
      if (!this.#kept) this.#locked = false
    }
    for (const one of SIGNS) document.addEventListener(one, sign, { passive: true, capture: true })
    document.addEventListener('visibilitychange', hidden)
    window.addEventListener('storage', other)
    const timer = setInterval(look, LOOK_MS)
    return () => {
      for (const one of SIGNS) document.removeEventListener(one, sign, { capture: true })
      document.removeEventListener('visibilitychange', hidden)
      window.removeEventListener('storage', other)
      clearInterval(timer)
    }
  }

  /** Locks after too long without activity, also while the computer slept. */
  private look(): void {
    const minutes = this.#kept?.minutes
    if (minutes && deviceTime() - this.seen > minutes * 60_000) this.#locked = true
  }

  private opened(kept: Kept): void {
    this.keep({ ...kept, wrong: 0, until: 0 })
    this.seen = deviceTime()
    this.#locked = false
  }

  /** Unlocks this page even if that can't be stored, since the PIN was right. */
  private keep(kept: Kept): boolean {
    this.#kept = kept
    return remember(NAME, JSON.stringify(kept))
  }
}

export const lock = new Lock()
